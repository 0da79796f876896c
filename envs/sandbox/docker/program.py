"""The program that a container runs, and how it gets there: as the first thing it reads.

So any image with a Python will do, and a change of the program asks for no new image.
"""

from __future__ import annotations

import functools
import marshal
import struct
from pathlib import Path

_PACKAGE = "reachgym.envs.sandbox"
# Each after what it imports.
_MODULES = (
    "wire",
    "kernel",
    "execution",
    "session_server",
    "zygote",
    "docker.frames",
    "docker.relay",
    "docker.tidy",
    "docker.server",
)
# Whoever does not get his program in time was forgotten.
_BOOTSTRAP = f"""
import os, sys
if sys.version_info < (3, 11):
    sys.exit("its python3 is " + sys.version.split()[0])
import marshal, signal, types
signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
signal.alarm(60)
sys.path[:] = filter(None, sys.path)
def take(length):
    taken = b""
    while len(taken) < length:
        chunk = os.read(0, length - len(taken))
        if not chunk:
            os._exit(0)
        taken += chunk
    return taken
sources, orders = marshal.loads(take(int.from_bytes(take(4), "little")))
for name, source in sources:
    module = sys.modules[name] = types.ModuleType(name)
    parent, _, leaf = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], leaf, module)
    exec(compile(source, name.replace(".", "/"), "exec"), vars(module))
signal.alarm(0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
sys.modules["{_PACKAGE}.docker.server"].main(orders)
"""
# A fixed hash seed: the same code prints its sets in the same order in every container.
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
COMMAND = ["python3", "-s", "-S", "-B", "-X", "utf8", "-c", _BOOTSTRAP]


def program(orders: bytes) -> bytes:
    """What the container reads first, with what its server is to know."""
    packed = marshal.dumps((_sources(), orders))
    return struct.pack("<I", len(packed)) + packed


@functools.cache
def _sources() -> list[tuple[str, str]]:
    folder = Path(__file__).parents[1]
    packages = ["reachgym", "reachgym.envs", _PACKAGE, f"{_PACKAGE}.docker"]
    modules = [
        (f"{_PACKAGE}.{name}", folder.joinpath(*name.split(".")).with_suffix(".py").read_text())
        for name in _MODULES
    ]
    return [(name, "") for name in packages] + modules
