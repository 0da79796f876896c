"""A fleet on a real Ray cluster of 1, 2 and 4 nodes on this machine, and what 1,000 would take.

    .venv/bin/python benchmarks/rollout_fleet.py

Episodes wait for tools and need hardly any processor, so that nodes that share one machine do not
stand in one another's way. Nodes are raylets with object stores of their own: what goes from one
to another is copied over loopback. The estimate at the end follows from the figures before it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rollout_fleet_world import CALLS, SLEEP_S, Sleeper, attempts

from reachgym.rollout.cluster import connect, disconnect
from reachgym.rollout.fleet import Fleet

NODES = (1, 2, 4)
SLOTS = 16
# Episodes for each worker in the scaling part: about 20 s of play.
EPISODES = 640
GOAL = 3.6
TURN_TOKENS = 200
MANY = 1000
GIB = 2**30
# Ten gigabits a second, as nodes of a cloud have at least.
NETWORK_GB_S = 1.25


@dataclass(slots=True)
class Figures:
    """What was measured, round by round."""

    rates: dict[int, list[float]] = field(default_factory=dict)
    publish_s: dict[int, list[float]] = field(default_factory=dict)
    put_s: list[float] = field(default_factory=list)
    fetch_s: dict[int, list[float]] = field(default_factory=dict)
    again_s: list[float] = field(default_factory=list)
    load_s: list[float] = field(default_factory=list)
    table_s: list[float] = field(default_factory=list)
    decoded_s: list[float] = field(default_factory=list)
    episode_bytes: list[float] = field(default_factory=list)
    call_s: list[float] = field(default_factory=list)
    wait_s: list[float] = field(default_factory=list)
    group_s: list[float] = field(default_factory=list)


def grow(cluster: Cluster, nodes: list[object], count: int, store_bytes: int) -> None:
    """Have so many nodes beside the head, which plays nothing."""
    while len(nodes) < count:
        nodes.append(cluster.add_node(num_cpus=2, object_store_memory=store_bytes))
    cluster.wait_for_nodes()


def measure_rate(workers: int) -> float:
    """Sleep-bound episodes a second, without the filling and the emptying of the slots."""
    with Fleet(partial(Sleeper, SLEEP_S), workers=workers, slots=SLOTS, num_cpus=2) as fleet:
        list(fleet.run(attempts(workers * SLOTS)))
        started_s = time.perf_counter()
        done = sum(table.num_rows for table in fleet.run_tables(attempts(workers * EPISODES)))
        return done / (time.perf_counter() - started_s)


@ray.remote(num_cpus=0)
def fetch(reference: list[ray.ObjectRef], copy: bool) -> float:
    """Seconds until the weights are at hand on this node, and copied if asked for."""
    started_s = time.perf_counter()
    weights = ray.get(reference[0])["w"]
    if copy:
        started_s = time.perf_counter()
        np.copyto(np.empty_like(weights), weights)
    return time.perf_counter() - started_s


def measure_broadcast(figures: Figures, weights: dict[str, np.ndarray], nodes: int) -> None:
    """From one array in the driver to every node, by hand and by `publish`."""
    ids = [n["NodeID"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0)]
    on = [fetch.options(scheduling_strategy=NodeAffinitySchedulingStrategy(i, False)) for i in ids]
    # Processes are started and warm before anything is timed.
    ray.get([task.remote([ray.put({"w": np.zeros(1)})], False) for task in on])
    started_s = time.perf_counter()
    reference = ray.put(weights)
    figures.put_s.append(time.perf_counter() - started_s)
    fetched = ray.get([task.remote([reference], False) for task in on])
    figures.fetch_s.setdefault(nodes, []).append(max(fetched))
    figures.again_s.append(max(ray.get([task.remote([reference], False) for task in on])))
    figures.load_s.append(float(np.median(ray.get([on[0].remote([reference], True)]))))
    del reference
    with Fleet(partial(Sleeper, 0.0), workers=nodes, slots=1, num_cpus=2) as fleet:
        fleet.publish({"w": np.zeros(1, np.float32)}, 1)
        started_s = time.perf_counter()
        fleet.publish(weights, 2)
        figures.publish_s.setdefault(nodes, []).append(time.perf_counter() - started_s)


def measure_driver(figures: Figures, episodes: int) -> None:
    """Processor time of this process for each episode that passes through it."""
    agent = partial(Sleeper, 0.0, TURN_TOKENS)
    with Fleet(agent, workers=2, slots=64, num_cpus=1) as fleet:
        list(fleet.run_tables(attempts(256)))

        def cpu(play: Callable[[], object]) -> float:
            started_s = time.process_time()
            play()
            return (time.process_time() - started_s) / episodes

        tables = []
        play = partial(fleet.run_tables, attempts(episodes))
        figures.table_s.append(cpu(lambda: tables.extend(play())))
        figures.decoded_s.append(cpu(lambda: list(fleet.run(attempts(episodes)))))
        figures.episode_bytes.append(sum(table.nbytes for table in tables) / episodes)
    few = min(episodes, 500)
    with Fleet(agent, workers=2, slots=1, most_held=1, num_cpus=1) as fleet:
        list(fleet.run_tables(attempts(16)))
        started_s = time.process_time()
        list(fleet.run_tables(attempts(few)))
        figures.call_s.append((time.process_time() - started_s) / few)


@ray.remote(num_cpus=0)
class Sleeping:
    """Answers nothing for a while."""

    def sleep(self, seconds: float) -> None:
        """Block."""
        time.sleep(seconds)


def measure_waiting(figures: Figures) -> None:
    """What looking at a thousand calls costs while none is answered."""
    actor = Sleeping.remote()
    calls = [actor.sleep.remote(30.0) for _ in range(MANY)]
    started_s = time.process_time()
    for _ in range(20):
        ray.wait(calls, num_returns=1, timeout=0)
    figures.wait_s.append((time.process_time() - started_s) / 20)
    ray.kill(actor)


def measure_group(figures: Figures) -> None:
    """How long Ray takes to find places for a thousand workers."""
    started_s = time.perf_counter()
    group = placement_group([{"CPU": 0.001}] * MANY, strategy="SPREAD")
    group.wait(60)
    figures.group_s.append(time.perf_counter() - started_s)
    remove_placement_group(group)


def measure(rounds: int, gibibytes: float, episodes: int) -> Figures:
    """Every part in every round, on a cluster that grows from 1 node to 4."""
    figures = Figures()
    weights = {"w": np.ones(int(gibibytes * GIB / 4), np.float32)}
    store_bytes = int(1.3 * gibibytes * GIB) + 2**28
    for _ in range(rounds):
        head = {"num_cpus": 0, "object_store_memory": 2 * store_bytes}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        connect(cluster.address)
        nodes: list[object] = []
        try:
            for count in NODES:
                grow(cluster, nodes, count, store_bytes)
                figures.rates.setdefault(count, []).append(measure_rate(count))
                measure_broadcast(figures, weights, count)
            measure_driver(figures, episodes)
            measure_waiting(figures)
            measure_group(figures)
        finally:
            disconnect()
            cluster.shutdown()
    return figures


def told(values: list[float], unit: str, scale: float = 1.0) -> str:
    """Median and quartiles."""
    low, middle, high = np.quantile(np.array(values) * scale, (0.25, 0.5, 0.75))
    return f"{middle:,.3g} {unit} [{low:,.3g}, {high:,.3g}]"


def report(figures: Figures, gibibytes: float) -> None:
    """Print the figures, medians with quartiles."""
    ideal = SLOTS / (SLEEP_S * CALLS)
    print(
        f"\nScaling: {SLOTS} slots a worker, one worker a node, {ideal:.0f} episodes/s each at best"
    )
    for nodes, rates in figures.rates.items():
        print(
            f"  {nodes} nodes: {told(rates, 'episodes/s')}, {np.median(rates) / nodes / ideal:.0%}"
        )
    growth = np.array(figures.rates[NODES[-1]]) / np.array(figures.rates[NODES[0]])
    reached = "reached" if np.median(growth) >= GOAL else "MISSED"
    print(f"  from 1 to 4: {told(list(growth), 'x')} (at least {GOAL}: {reached})")
    print(f"\nWeights of {gibibytes:g} GiB")
    print(f"  put, once: {told(figures.put_s, 's')}")
    for nodes, seconds in figures.fetch_s.items():
        print(f"  fetched by {nodes} nodes at once: {told(seconds, 's')}")
    print(f"  by a further worker of a node: {told(figures.again_s, 'ms', 1e3)}")
    print(f"  copied into the agent's arrays: {told(figures.load_s, 's')}")
    for nodes, seconds in figures.publish_s.items():
        print(f"  publish to {nodes} workers on {nodes} nodes, all of it: {told(seconds, 's')}")
    print(f"\nThe driver, for each episode of 3 turns of {2 * TURN_TOKENS} tokens")
    print(f"  {told(figures.episode_bytes, 'kB', 1e-3)} of rows")
    print(f"  as rows: {told(figures.table_s, 'us of processor time', 1e6)}")
    print(f"  as trajectories: {told(figures.decoded_s, 'us', 1e6)}")
    print(f"  as rows, one by one, each with a call of its own: {told(figures.call_s, 'us', 1e6)}")
    print(f"  a look at {MANY} calls, none answered: {told(figures.wait_s, 'ms', 1e3)}")
    print(f"\nA placement group of {MANY} bundles: {told(figures.group_s, 's')}")


def estimate(figures: Figures, gibibytes: float, rate: float) -> None:
    """What these figures say of a thousand nodes with one worker each.

    Args:
        figures: Of this machine.
        gibibytes: The weights.
        rate: Episodes a second that a worker finishes.
    """
    episode_s, decoded_s = np.median(figures.table_s), np.median(figures.decoded_s)
    # A worker answers when a slot would be empty, and once a second if there is anything.
    calls, episodes = MANY * min(rate, 1.0), MANY * rate
    call_s = max(0.0, np.median(figures.call_s) - episode_s)
    busy = calls * call_s + episodes * episode_s
    decoding = calls * call_s + episodes * decoded_s
    size_mb = episodes * np.median(figures.episode_bytes) / 1e6
    print(f"\nEstimate for {MANY:,} nodes of {rate:g} episodes/s each")
    print(f"  the driver: {busy:.2f} of one core as rows, {decoding:.2f} as trajectories; full at")
    print(f"    {MANY / busy:,.0f} such nodes as rows, {MANY / decoding:,.0f} as trajectories")
    print(f"  results through the driver: {size_mb:,.0f} MB/s")
    copy_s = gibibytes * GIB / 1e9 / NETWORK_GB_S
    doublings = int(np.ceil(np.log2(MANY + 1)))
    print(f"  weights of {gibibytes:g} GiB, {NETWORK_GB_S:g} GB/s between nodes:")
    print(f"    {doublings * copy_s:,.0f} s if every copy serves the next,")
    print(f"    {MANY * copy_s:,.0f} s if one node serves all")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gib", type=float, default=1.0, help="of weights")
    parser.add_argument("--episodes", type=int, default=4000, help="of the driver's part")
    options = parser.parse_args()
    figures = measure(options.rounds, options.gib, options.episodes)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {options.rounds} rounds")
    report(figures, options.gib)
    for rate in (0.1, 1.0, 10.0):
        estimate(figures, options.gib, rate)


if __name__ == "__main__":
    main()
