"""Attacks on a tool that runs Python, for the comparison of peers: code, and how success is seen.

Every attack prints MARK where it got what it wanted, or does something that is looked for from
outside. All of them are aimed at things that the comparison made for it.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MARK = "GOT" + "-IT"
SECRET = "-".join(("a", "secret", "of", "the", "owner"))
ENVIRONMENT_NAME = "COMPARISON_SECRET"
_MARK_CODE = "'GOT' + '-IT'"
_TRY = "try:\n{body}\nexcept Exception as e: print(type(e).__name__)\n"
_CALL = (
    "import ctypes\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "def call(*words): return libc.syscall(*map(ctypes.c_long, words))\n"
)
FILL_BYTES = 300 * 2**20


@dataclass(frozen=True)
class World:
    """What there is to attack.

    Attributes:
        folder: Anyone may write into it.
        secret_file: Anyone may read it.
        port: Of a listener on loopback.
        abstract: Name of a listening abstract socket.
        bystander: A process of the tool's own user.
        listeners: Both listeners.
    """

    folder: Path
    secret_file: Path
    port: int
    abstract: str
    bystander: subprocess.Popen[bytes]
    listeners: tuple[socket.socket, socket.socket]

    def was_called(self) -> bool:
        """Whether somebody connected; forgets who did."""
        called = False
        for listener in self.listeners:
            try:
                listener.accept()[0].close()
                called = True
            except BlockingIOError:
                pass
        return called


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: What is tried.
        code: What is run, for a world.
        harm: Whether something is seen from outside afterwards.
        first: What is run before it, in a call of its own.
    """

    name: str
    code: Callable[[World], str]
    harm: Callable[[World], bool] = lambda world: False
    first: str = ""


def attempt(body: str) -> str:
    """The statements, and what they raised."""
    return _TRY.format(body="\n".join(f"    {line}" for line in body.splitlines()))


def disguise(code: str) -> str:
    """The same program, with no word of it to be read."""
    return f"exec(bytes.fromhex('{code.encode().hex()}').decode())"


def _called(*words: int | str) -> Callable[[World], str]:
    """A system call that should be refused."""
    text = ", ".join(map(str, words))
    return lambda world: _CALL + attempt(f"if call({text}) >= 0: print({_MARK_CODE})")


def _plain(code: str) -> Callable[[World], str]:
    return lambda world: code


def marked(name: bytes) -> list[int]:
    """Living processes that gave themselves this name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_bytes().rstrip(b"\n") == name:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


_NAMED = "import ctypes; ctypes.CDLL(None).prctl(15, b'{name}', 0, 0, 0)\n"
_PARENT = "import os\nparent = os.getppid()\n"

ATTACKS = (
    Attack(
        "read a file of the host", lambda w: attempt(f"print(open({str(w.secret_file)!r}).read())")
    ),
    Attack(
        "write outside its folder",
        lambda w: attempt(f"open({str(w.folder / 'written')!r}, 'w').write('x')"),
        lambda w: (w.folder / "written").exists(),
    ),
    Attack(
        "read a secret of the environment",
        _plain(f"import os\nprint(os.environ.get({ENVIRONMENT_NAME!r}))"),
    ),
    Attack(
        "read the owner's environment",
        _plain(_PARENT + attempt("print(open(f'/proc/{parent}/environ').read())")),
    ),
    Attack(
        "open the owner's memory",
        _plain(_PARENT + attempt(f"open(f'/proc/{{parent}}/mem', 'rb')\nprint({_MARK_CODE})")),
    ),
    Attack(
        "see processes of the host",
        lambda w: attempt(
            f"import os\nif os.path.exists('/proc/{w.bystander.pid}/stat'): print({_MARK_CODE})"
        ),
    ),
    Attack(
        "kill a process of the host",
        lambda w: "import os\n" + attempt(f"os.kill({w.bystander.pid}, 9)"),
        lambda w: w.bystander.poll() is not None,
    ),
    Attack(
        "kill all that may be killed",
        _plain("import os\n" + attempt("os.kill(-1, 9)")),
        lambda w: w.bystander.poll() is not None,
    ),
    Attack("trace a process of the host", lambda w: _called(101, 16, w.bystander.pid, 0, 0)(w)),
    Attack(
        "connect to loopback",
        lambda w: (
            "import socket\n"
            + attempt(f"socket.create_connection(('127.0.0.1', {w.port}), timeout=2)")
        ),
        World.was_called,
    ),
    Attack(
        "connect to an abstract socket",
        lambda w: (
            "import socket\n" + attempt(f"socket.socket(socket.AF_UNIX).connect({w.abstract!r})")
        ),
        World.was_called,
    ),
    Attack("open a VSOCK socket", _called(41, 40, 1, 0)),
    Attack("open a netlink socket", _called(41, 16, 3, 0)),
    Attack("make a user namespace", _called(272, 0x10000000)),
    Attack(
        "set up io_uring", _called(425, 8, "ctypes.addressof(ctypes.create_string_buffer(120))")
    ),
    Attack("add a kernel key", _called(250, 0, -3, 0, 0, 0)),
    Attack(
        "make nameless memory files",
        _called(319, "ctypes.addressof(ctypes.create_string_buffer(b'x'))", 0),
    ),
    Attack(
        "leave a process behind",
        _plain(
            "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
            "    "
            + _NAMED.format(name="cmp-left")
            + "    os.closerange(0, 9); time.sleep(600)\ntime.sleep(.3)"
        ),
        lambda w: bool(marked(b"cmp-left")),
    ),
    Attack(
        "leave a file to the next",
        _plain(attempt(f"if open('/tmp/left').read() == 'x': print({_MARK_CODE})")),
        first=attempt("open('/tmp/left', 'w').write('x')"),
    ),
    Attack(
        "sleep past the deadline",
        _plain(_NAMED.format(name="cmp-slept") + "import time; time.sleep(600)"),
        lambda w: bool(marked(b"cmp-slept")),
    ),
    Attack(
        "have a child outlive the deadline",
        _plain(
            "import os, time\nif os.fork() == 0:\n    os.closerange(0, 9)\n    "
            + _NAMED.format(name="cmp-child")
            + "time.sleep(600)"
        ),
        lambda w: bool(marked(b"cmp-child")),
    ),
    Attack("write without end", _plain("while True: print('x' * 10000)")),
    Attack("write one huge line", _plain("print('x' * 500_000_000)")),
    Attack(
        "fork without end",
        _plain("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    ),
    Attack(
        "take memory without end",
        _plain("held = []\nwhile True: held.append(bytearray(b'x') * 2**24)"),
    ),
    Attack(
        "take memory in many processes",
        _plain(
            "import os, time\nfor _ in range(4): os.fork()\n"
            "held = bytearray(b'x') * (100 * 2**20)\ntime.sleep(3)"
        ),
    ),
    Attack(
        "fill the disk",
        _plain(
            "try:\n    with open('/tmp/full', 'wb') as f:\n"
            f"        for _ in range({FILL_BYTES >> 20}): f.write(bytes(2**20))\n"
            f"    print({_MARK_CODE})\nexcept Exception as e: print(type(e).__name__)"
        ),
    ),
    Attack(
        "make files without end",
        _plain(
            "import os\ntry:\n    os.mkdir('/tmp/many')\n"
            "    for n in range(20000): open(f'/tmp/many/{n}', 'w').close()\n"
            f"    print({_MARK_CODE})\nexcept Exception as e: print(type(e).__name__)"
        ),
    ),
    Attack("crash the interpreter", _plain("import ctypes; ctypes.string_at(0)")),
)


def clean_up(world: World) -> None:
    """Remove what attacks made where nothing held them."""
    for name in (b"cmp-left", b"cmp-slept", b"cmp-child"):
        for pid in marked(name):
            os.kill(pid, 9)
    subprocess.run(["rm", "-rf", "/tmp/left", "/tmp/full", "/tmp/many"], check=True)
    (world.folder / "written").unlink(missing_ok=True)
