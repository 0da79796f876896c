"""A process, outside the sandbox, whose pool has hung executions and open and spare sessions."""

import signal
import threading
import time

from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.pool import SandboxPool
from reachgym.envs.sandbox.protocol import SandboxLimits


def own(level, limits, code):
    # It is ignored where the tests run in the background of a shell, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pool = SandboxPool(lambda: open_level(Level(level), SandboxLimits(**limits)), size=2)
    sessions = [pool.open_session() for _ in range(2)]
    sessions[0].shell("sleep 1000 & true")
    for _ in range(2):
        threading.Thread(target=pool.exec, args=(code,), daemon=True).start()
    threading.Thread(target=sessions[1].run, args=(code,), daemon=True).start()
    time.sleep(1)
    print("started", flush=True)
    time.sleep(1000)
