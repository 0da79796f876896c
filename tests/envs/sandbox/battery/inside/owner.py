"""A process, outside the sandbox, that owns one and runs an attack in it."""

from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import SandboxLimits


def run(level, limits, code):
    sandbox = open_level(Level(level), SandboxLimits(**limits))
    print("started", flush=True)
    print(sandbox.exec(code).stdout, end="", flush=True)
