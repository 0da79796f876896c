"""What is submitted to a cluster: a fleet there plays a world that lies beside this file."""

from __future__ import annotations

from echo_world import SeededAgent, attempts

from reachgym.envs.registration import EnvRef
from reachgym.rollout.cluster import connect, disconnect
from reachgym.rollout.fleet import Fleet

connect("auto")
with Fleet(SeededAgent, workers=2, slots=4, num_cpus=0.5) as fleet:
    played = list(fleet.run(attempts(30, ref=EnvRef("echo_world:test/Echo-v0"))))
disconnect()
print(f"{len(played)} played, {sum(row.failure is not None for row in played)} failed")
