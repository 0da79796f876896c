"""What is watched because no kernel bounds it: each way to take too much ends the execution."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import InputError
from reachgym.envs.sandbox.landlock.sandbox import LandlockSandbox
from reachgym.envs.sandbox.protocol import Outcome

MIB = 2**20
TAKES = {
    "files": "for n in range(64): open(str(n), 'wb').write(bytes(2**20))",
    "files far down": "for n in range(64):\n"
    "    for _ in range(9): os.mkdir('d' * 250); os.chdir('d' * 250)\n"
    "    open('f', 'wb').write(bytes(2**19))",
    "a crowd": "for n in range(20000): open(str(n), 'w').close()",
    "without a name": "held = []\n"
    "for n in range(64):\n"
    "    held.append(open('x', 'wb')); os.unlink('x'); held[-1].write(bytes(2**19))\n"
    "    held[-1].flush()\ntime.sleep(9)",
    "mapped without a name": "held = []\n"
    "for n in range(64):\n"
    "    with open('x', 'wb+') as file:\n"
    "        file.truncate(2**20); held.append(mmap.mmap(file.fileno(), 0)); os.unlink('x')\n"
    "    held[-1].write(bytes(2**20))\ntime.sleep(9)",
    "memory of a thread's child": "def run():\n"
    "    for _ in range(8):\n"
    "        if os.fork() == 0: held = bytearray(b'x') * (32 * 2**20); time.sleep(9)\n"
    "thread = threading.Thread(target=run); thread.start(); time.sleep(9)",
    "full sockets": "for _ in range(8):\n"
    "    if os.fork() == 0: break\n"
    "held = [end for _ in range(100) for end in socket.socketpair()]\n"
    "for end in held:\n"
    "    end.setblocking(False)\n"
    "    try:\n"
    "        while True: end.send(bytes(2**16))\n"
    "    except BlockingIOError: pass\n"
    "time.sleep(9)",
}


@pytest.mark.parametrize("way", TAKES)
def test_taking_too_much_is_noticed(sandbox: LandlockSandbox, way: str) -> None:
    result = sandbox.exec(f"import mmap, os, socket, threading, time\n{TAKES[way]}")
    assert (result.outcome, result.exit_code) == (Outcome.KILLED, -9), result
    assert result.seconds < 6
    assert sandbox.exec("import os; print(os.listdir())").stdout == "[]\n"


def test_as_much_as_is_allowed_passes(sandbox: LandlockSandbox) -> None:
    code = (
        "import asyncio, os, shutil, socket, subprocess, sys, tempfile, threading, time\n"
        "open('x', 'wb').write(bytes(2**20)); shutil.copy2('x', 'y'); os.unlink('y')\n"
        "with tempfile.TemporaryFile() as file: file.write(b'x')\n"
        "for _ in range(8): threading.Thread(target=time.sleep, args=(0.2,)).start()\n"
        "asyncio.run(asyncio.sleep(0.1))\n"
        "done = subprocess.run([sys.executable, '-c', 'print(5)'], start_new_session=True,\n"
        "    capture_output=True, text=True)\n"
        "print(done.stdout.strip(), done.stderr)\n"
    )
    result = sandbox.exec(code)
    assert (result.stdout, result.stderr) == ("5 \n", ""), result


def test_files_without_room_are_refused_before_they_are_put(sandbox: LandlockSandbox) -> None:
    for files in ({str(n): b"x" for n in range(2000)}, {f"{n}/f": b"" for n in range(4000)}):
        with pytest.raises(InputError, match="on disk"):
            sandbox.exec("", files=files)


def test_a_session_that_takes_too_much_while_nobody_calls_is_ended(
    sandbox: LandlockSandbox,
) -> None:
    with sandbox.open_session() as session:
        session.run("x = 1")
        session.shell("(sleep 0.5; while true; do cat x x > y; mv y x; done) & echo 12345678 > x")
        result = session.run("import time; time.sleep(5)")
        assert result.outcome is Outcome.KILLED
        assert "NameError" in session.run("x").stderr
        assert session.shell("ls").stdout == ""
