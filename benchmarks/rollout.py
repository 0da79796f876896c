"""Everything about rollouts in one run, each part in a process of its own, one after the other.

    python benchmarks/rollout.py
    python benchmarks/rollout.py --only schedule generation

Goals and medians are printed by the parts; benchmarks/RESULTS.md keeps what they said. The parts
`peers` and `faults` take long and are run where they are named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

PARTS = {
    "schedule": "episodes of very different lengths, turn by turn and in batches that wait",
    "generation": "sampling beside generate, and caches kept across turns",
    "orchestration": "episodes of an instant policy",
    "endpoint": "requests at an endpoint beside bare aiohttp",
    "store": "keeping, reading and replaying attempts",
    "fleet": "a Ray cluster of 1, 2 and 4 nodes on this machine",
}
LONG = {
    "peers": "python-tool episodes beside other suites'",
    "faults": "ten thousand episodes under kills",
}


def main() -> None:
    everything = PARTS | LONG
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=everything, default=list(PARTS))
    failed = []
    for name in parser.parse_args().only:
        print(f"\n=== {name}: {everything[name]}", flush=True)
        started_s = time.monotonic()
        script = Path(__file__).with_name(f"rollout_{name}.py")
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(name)
        print(f"--- {name} took {time.monotonic() - started_s:.0f} s", flush=True)
    if failed:
        sys.exit(f"these did not end well: {', '.join(failed)}")


if __name__ == "__main__":
    main()
