"""A run of attempts as a user's script makes it; started again, it makes what is left.

    driver.py STORE ADDRESS EPISODES URL

It ends with 0 when every attempt is in the store, and with 3 when the store could not be written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from faulty_world import POLICIES, attempts, factory

from reachgym.envs.errors import StoreError
from reachgym.rollout.cluster import connect, disconnect, guarded_stdout
from reachgym.rollout.fleet import Fleet
from reachgym.rollout.store import TrajectoryStore

_WORKERS, _SLOTS = 2, 16
_MOST_ROUNDS = 50


def make_what_is_left(store: TrajectoryStore, policy: str, episodes: int, url: str) -> dict:
    told = {"policy": policy, "rounds": 0, "deaths": 0, "failures": {}}
    while left := [a for a in attempts(policy, episodes) if a.key not in store]:
        told["rounds"] += 1
        if told["rounds"] > _MOST_ROUNDS:
            sys.exit(f"{len(left)} attempts fail whenever they are made: {told}")
        with Fleet(factory(policy, url), workers=_WORKERS, slots=_SLOTS, num_cpus=1) as fleet:
            last = None

            def note(progress) -> None:
                nonlocal last
                last = progress.fleet

            for table in fleet.run_tables(left, on_progress=note):
                store.append_table(table)
        if last is not None:
            told["deaths"] += last.deaths
            for kind, count in last.failures.items():
                told["failures"][kind] = told["failures"].get(kind, 0) + count
    return told


def main() -> None:
    path, address, episodes, url = sys.argv[1:5]
    with guarded_stdout() as out:
        connect(address)
        try:
            with TrajectoryStore(Path(path)) as store:
                for policy in POLICIES:
                    print(
                        json.dumps(make_what_is_left(store, policy, int(episodes) // 2, url)),
                        file=out,
                        flush=True,
                    )
        except StoreError as error:
            print(error, file=sys.stderr)
            sys.exit(3)
        finally:
            disconnect()


if __name__ == "__main__":
    main()
