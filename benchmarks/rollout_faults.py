"""Thousands of episodes under kills: what was kept, held against an undisturbed run.

    python benchmarks/rollout_faults.py --episodes 10000

On a Ray cluster of three nodes on this machine a driver makes every attempt, half with a policy in
its workers and half with one behind an endpoint, while workers, sandboxes, nodes, the endpoint and
the driver itself are killed at random times, connections dropped, engines run out of memory, and
the disk filled. A driver that ends is started again until nothing is left. The disk needs root.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults" / "worlds"))

from breaking import FAULTS, a_place, compare, left_behind, play


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between faults, in mean")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    with a_place(folder, given.episodes) as place:
        started_s = time.monotonic()
        play(place, given.faults, seed=given.seed, every_s=given.every)
        took_s = time.monotonic() - started_s
        result, left = compare(place), left_behind(place)
    print(
        f"{given.episodes} episodes in {took_s:.0f} s, {place.drivers} drivers, seed {given.seed}"
    )
    print("\n| fault | times |\n|---|---|")
    for name in given.faults:
        print(f"| {name} | {place.struck[name]} |")
    for told in place.told:
        print(told)
    print(
        f"lost {result.lost}, doubled {result.doubled}, differing {len(result.differing)},"
        f" failures left {result.failures}, processes left {len(left)}"
    )
    for difference in result.differing:
        print(difference)
    if result.lost or result.doubled or result.differing or result.failures or left:
        sys.exit(f"something was lost or left; look into {folder}: {left}")


if __name__ == "__main__":
    main()
