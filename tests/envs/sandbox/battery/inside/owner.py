"""A process, outside the sandbox, that owns one and runs an attack in it."""

import importlib

from reachgym.envs.sandbox.protocol import SandboxLimits


def run(module, name, options, limits, code):
    made_of = getattr(importlib.import_module(f"reachgym.envs.sandbox.{module}"), name)
    sandbox = made_of(SandboxLimits(**limits), **options)
    print("started", flush=True)
    print(sandbox.exec(code).stdout, end="", flush=True)
