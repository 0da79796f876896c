"""Attacks with the interpreter's own means: on the exit status, the report, and the next run."""

from __future__ import annotations

import signal
import struct
from collections.abc import Callable

import pytest

from reachgym.envs.sandbox.protocol import ExecResult, Outcome

Attack = Callable[..., ExecResult]


@pytest.mark.parametrize("status", [0, 7, 255])
@pytest.mark.parametrize("ending", ["os._exit({})", "sys.exit({})", "raise SystemExit({})"])
def test_sudden_exit(attack: Attack, ending: str, status: int) -> None:
    result = attack(f"print('before', flush=True)\n{ending.format(status)}\nprint('after')")
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, status)
    assert (result.stdout, result.stderr) == ("before\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGSYS])
def test_death_by_its_own_signal_is_no_exit(attack: Attack, number: signal.Signals) -> None:
    result = attack(f"os.kill(os.getpid(), {int(number)}); time.sleep(1)")
    assert (result.outcome, result.exit_code) == (Outcome.KILLED, -number)


def test_forged_result_frames(attack: Attack) -> None:
    """Whatever it writes where, its end is told as it was."""
    frames = [
        b"F" + struct.pack("<i", 0),
        b"F" + struct.pack("<I", 4) + struct.pack("<i", 0),
        b"\x01\0\0\0\0\0\0\x03ok\n",
        b'{"exit_code": 0, "outcome": "exited"}\n',
        struct.pack("<i", 0),
    ]
    code = (
        "import glob\n"
        f"frames = {frames}\n"
        "written = []\n"
        "for fd in range(3, 2000):\n"
        "    for frame in frames:\n"
        "        try: os.write(fd, frame)\n"
        "        except OSError: pass\n"
        "        else: written.append(fd)\n"
        "for pid in others():\n"
        "    for n in range(64):\n"
        "        try:\n"
        "            fd = os.open(f'/proc/{pid}/fd/{n}', os.O_WRONLY | os.O_NONBLOCK)\n"
        "            written.append((pid, n))\n"
        "            for frame in frames: os.write(fd, frame)\n"
        "        except OSError: pass\n"
        "for frame in frames: os.write(2, frame)\n"
        "print(written, flush=True)\n"
        "os._exit(7)\n"
    )
    result = attack(code)
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 7), result
    assert result.stdout == "[]\n"
    assert result.stderr == b"".join(frames).decode(errors="replace")


def test_forged_result_frames_in_a_time_of_silence(attack: Attack) -> None:
    """Frames among the output, and then a deadline that passes, which must be noticed."""
    frame = b"F" + struct.pack("<I", 4) + struct.pack("<i", 0)
    result = attack(f"os.write(1, {frame!r} * 9)\nos.close(1); os.close(2)\ntime.sleep(60)")
    assert result.outcome is Outcome.TIMEOUT
    assert result.stdout == (frame * 9).decode()


def test_the_report_of_whoever_looks_after_the_code(attack: Attack) -> None:
    """What runs the code in the same process must hold nothing by which to forge a report."""
    code = (
        "import gc, io\n"
        "frame, found = sys._getframe(), []\n"
        "while frame:\n"
        "    for name, value in (*frame.f_locals.items(), *frame.f_globals.items()):\n"
        "        if isinstance(value, int) and not isinstance(value, bool) and 2 < value < 4096:\n"
        "            try: os.fstat(value)\n"
        "            except OSError: continue\n"
        "            found.append((name, value))\n"
        "    frame = frame.f_back\n"
        "for thing in gc.get_objects():\n"
        "    if isinstance(thing, (socket.socket, io.FileIO)) and thing.fileno() > 2:\n"
        "        try: os.fstat(thing.fileno())\n"
        "        except OSError: continue\n"
        "        found.append(thing)\n"
        "print(found)\n"
        "os.write = os._exit = sys.exit = None\n"
        "for name in list(sys.modules): sys.modules[name] = None\n"
        "1 / 0\n"
    )
    result = attack(code)
    assert result.stdout == "[]\n"
    assert result.exit_code != 0


def test_overwriting_the_tests(attack: Attack) -> None:
    files = {"tests.py": b"the tests", "deep/tests.py": b"more tests"}
    code = (
        "for path in ('tests.py', 'deep/tests.py'):\n"
        "    print(open(path).read())\n"
        "    os.unlink(path); os.symlink('/dev/null', path)\n"
        "os.chmod('deep', 0o500); os.chmod('.', 0o500)\n"
    )
    for _ in range(3):
        assert attack(code, files=files).stdout == "the tests\nmore tests\n"
    look = attack("import glob; print(glob.glob('**', recursive=True), glob.glob('/tmp/**'))")
    assert look.stdout == "[] []\n"


def test_import_hooks(attack: Attack) -> None:
    trap = "print('TRAPPED')"
    attack(
        "import importlib.abc\n"
        "class Trap(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, *_): print('TRAPPED')\n"
        "sys.meta_path.insert(0, Trap()); sys.path.insert(0, os.getcwd())\n"
        "sys.path_hooks.insert(0, lambda path: print('TRAPPED'))\n"
        "os.environ['PYTHONSTARTUP'] = os.environ['PYTHONPATH'] = os.getcwd()\n"
        "for name in ('sitecustomize', 'usercustomize', 'json', 'random', 'os', 'colorsys'):\n"
        f"    open(name + '.py', 'w').write({trap!r})\n"
        f"open('x.pth', 'w').write('import sys; ' + {trap!r})\n"
        "import colorsys\n"
    )
    code = "import colorsys, json, random, subprocess; print(json.__file__.startswith(os.getcwd()))"
    assert attack(code).stdout == "False\n"


def test_atexit(attack: Attack) -> None:
    result = attack("import atexit\natexit.register(os._exit, 3)\natexit.register(print, 'last')")
    assert (result.exit_code, result.stdout.split()) == (3, ["last"][: len(result.stdout)])
    late = attack("import atexit\natexit.register(time.sleep, 60)")
    assert late.outcome is Outcome.TIMEOUT
    assert attack("print('next')").stdout == "next\n"


def test_monkeypatched_builtins(attack: Attack) -> None:
    attack(
        "import builtins, gc, json, unittest\n"
        "real = ctypes.pythonapi.PyDict_SetItemString\n"
        "builtins.print = builtins.len = builtins.isinstance = lambda *_: True\n"
        "builtins.__build_class__ = builtins.compile = builtins.exec = None\n"
        "os._exit = os.write = lambda *_: None\n"
        "json.loads = unittest.TestCase.assertEqual = lambda *_: None\n"
        "ctypes.memset(id(257) + 24, 0, 4)\n"
        "for thing in gc.get_referents(int.__dict__):\n"
        "    if type(thing) is dict: thing['bit_length'] = lambda _: 'TRAPPED'; break\n"
        "ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))\n"
    )
    code = (
        "import json, unittest\n"
        "try: unittest.TestCase().assertEqual(1, 2)\n"
        "except AssertionError: print((5).bit_length(), json.loads('3'), len('ab'), 257, 257 + 0)\n"
    )
    assert attack(code).stdout == "3 3 2 257 257\n"


def test_traces_and_threads_that_wait_for_the_end(attack: Attack) -> None:
    """Code that takes over the interpreter's last moments ends at the deadline."""
    result = attack(
        "import threading\n"
        "class Last:\n"
        "    def __del__(self): time.sleep(60)\n"
        "kept = Last(); kept.me = kept\n"
        "sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *_: time.sleep(60)\n"
        "sys.stdout.flush = lambda: time.sleep(60)\n"
        "threading.Thread(target=lambda: 1 / 0).start()\n"
        "raise ValueError\n"
    )
    assert result.seconds < 8
    assert result.outcome is Outcome.TIMEOUT or result.exit_code == 1
