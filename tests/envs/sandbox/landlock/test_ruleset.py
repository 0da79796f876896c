"""Landlock rules on the kernel that is here, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reachgym.envs.sandbox.landlock import ruleset
from reachgym.envs.sandbox.landlock.filter import compile_filters

CONFINED = """
import ctypes, os, signal, socket, subprocess
from reachgym.envs.sandbox import kernel
from reachgym.envs.sandbox.landlock import ruleset
def attempt(action, *arguments):
    try: action(*arguments)
    except OSError as error: print("refused", error.errno)
    else: print("done")
kernel.forbid_new_privileges()
ruleset.enter(ruleset.create({abi}, {rules}))
{then}
"""


def confined(abi: int, rules: list[tuple[int, str]], then: str) -> list[str]:
    script = CONFINED.format(abi=abi, rules=rules, then=then)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def versions() -> range:
    return range(ruleset.OLDEST_ABI, min(ruleset.abi(), ruleset.SCOPED_ABI) + 1)


@pytest.mark.parametrize("abi", versions())
def test_only_what_a_rule_names_is_reached(abi: int, tmp_path: Path) -> None:
    for name in ("own", "read", "none"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    rules = [(ruleset.OWN_FOLDER, f"{tmp_path}/own"), (ruleset.LOOK, f"{tmp_path}/read")]
    then = (
        f"top = {str(tmp_path)!r}\n"
        "for name in ('own', 'read', 'none'):\n"
        "    attempt(open, f'{top}/{name}/file')\n"
        "    attempt(os.listdir, f'{top}/{name}')\n"
        "    attempt(open, f'{top}/{name}/file', 'r+')\n"
        "    attempt(os.truncate, f'{top}/{name}/file', 0)\n"
        "    attempt(os.mkdir, f'{top}/{name}/new')\n"
        "attempt(os.rename, f'{top}/none/file', f'{top}/own/taken')\n"
        "attempt(os.link, f'{top}/read/file', f'{top}/own/linked')\n"
    )
    told = confined(abi, rules, then)
    assert told[:5] == ["done"] * 5
    assert told[5:10] == ["done", "done", "refused 13", "refused 13", "refused 13"]
    assert told[10:15] == ["refused 13"] * 5
    assert all(line.startswith("refused") for line in told[15:])


def test_programs_in_the_own_folder_do_not_run(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    then = f"attempt(os.execv, {str(program)!r}, ['program'])"
    assert confined(ruleset.OLDEST_ABI, [(ruleset.OWN_FOLDER, str(tmp_path))], then) == [
        "refused 13"
    ]


def test_what_was_given_up_cannot_be_had_again(tmp_path: Path) -> None:
    then = (
        f"ruleset.enter(ruleset.create({ruleset.OLDEST_ABI}, []))\n"
        f"attempt(os.listdir, {str(tmp_path)!r})"
    )
    assert confined(ruleset.OLDEST_ABI, [(ruleset.LOOK, str(tmp_path))], then) == ["refused 13"]


@pytest.mark.skipif(ruleset.abi() < ruleset.SCOPED_ABI, reason="signals are not scoped here")
def test_signals_reach_only_what_is_confined_alike() -> None:
    then = (
        "attempt(os.kill, os.getppid(), 0)\n"
        "pid = os.fork()\n"
        "if pid == 0: signal.pause()\n"
        "attempt(os.kill, pid, 9)\n"
    )
    assert confined(ruleset.SCOPED_ABI, [], then) == ["refused 1", "done"]


@pytest.mark.parametrize("abi", versions())
def test_filters_are_there_for_every_version(abi: int) -> None:
    assert all(len(program) % 8 == 0 and program for program in compile_filters(abi))


def test_the_filter_refuses_signals_where_landlock_does_not_hold_them() -> None:
    script = (
        "import os, sys\n"
        "from reachgym.envs.sandbox import kernel\n"
        "from reachgym.envs.sandbox.landlock.filter import compile_filters\n"
        "for program in compile_filters(int(sys.argv[1])): kernel.lock_down(program)\n"
        "try: os.kill(os.getppid(), 0)\n"
        "except PermissionError: print('refused')\n"
    )
    for abi, told in ((ruleset.SCOPED_ABI - 1, "refused\n"), (ruleset.SCOPED_ABI, "")):
        done = subprocess.run(
            [sys.executable, "-c", script, str(abi)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == (told, "")
