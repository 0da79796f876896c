"""Plays an environment's tasks with its oracle on a cluster of two nodes; prints who solved what.

python two_nodes.py ENV_ID
"""

from __future__ import annotations

import json
import sys
from functools import partial

from ray.cluster_utils import Cluster

from reachgym.agents.scripted import oracle_agent
from reachgym.envs import EnvRef, make
from reachgym.rollout.cluster import connect, disconnect, guarded_stdout
from reachgym.rollout.episode import Attempt
from reachgym.rollout.fleet import Fleet


def main(env_id: str) -> None:
    ref = EnvRef(env_id)
    env = make(ref)
    attempts = [
        Attempt(env.taskset.task("held_out", index), ref, 0, "oracle", env.budget)
        for index in range(8)
    ]
    with guarded_stdout() as out:
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            for _ in range(2):
                nodes.add_node(num_cpus=1)
            connect(nodes.address)
            with Fleet(partial(oracle_agent, env_id), workers=2, slots=4) as fleet:
                passed = [trajectory.verdict.passed for trajectory in fleet.run(attempts)]
            disconnect()
        finally:
            nodes.shutdown()
        print(json.dumps(passed), file=out)


if __name__ == "__main__":
    main(sys.argv[1])
