"""Judges the files that an agent leaves in its session, as data, in executions of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reachgym.envs.errors import InputError
from reachgym.envs.milestones import Milestone
from reachgym.envs.suites.code_repair.packages import Package
from reachgym.envs.suites.programs.judging import hidden_tests, judge_source
from reachgym.envs.types import JSON, Task, Verdict
from reachgym.envs.verifier import Attempt

MOST_FILE_BYTES = 2**16

_MODULES = "modules"
_BUGS = "bugs"
_CHANGED = "module_changed"
_DEFINED = re.compile(r"^def (\w+)\(", re.MULTILINE)
# Of the package only its modules come from the agent, so that nothing else it left takes part.
_SOURCE = """import os, sys
os.mkdir({package!r})
for path, text in {files!r}.items():
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
sys.path.insert(0, os.getcwd())
{imports}
"""


def repair_metadata(package: Package) -> dict[str, JSON]:
    """What `judge_files` needs of a package."""
    return {
        _MODULES: list(package.modules),
        _BUGS: dict(package.bugs),
        **hidden_tests(package.programs),
    }


def judge_files(attempt: Attempt) -> Verdict:
    """Passed when the modules pass every hidden test and the answer names what was repaired.

    The modules are read from the session as text, whatever has become of the rest of it. The right
    names without any call of a tool are a guess.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    missing = sorted(_names(attempt.task, _BUGS) - set(re.findall(r"\w+", attempt.answer)))
    if missing:
        return Verdict(0.0, False, f"The answer does not name {', '.join(missing)}.")
    if not attempt.results:
        told = f"{attempt.task.gold}: right, but no tool was called and nothing repaired: a guess."
        return Verdict(0.0, False, told, guess=True)
    try:
        files = {path: _read(attempt, path) for path in sorted(_names(attempt.task, _MODULES))}
    except InputError as error:
        return Verdict(0.0, False, f"A module cannot be judged: {error}.")
    return judge_source(attempt, _source(attempt.task, files))


def _names(task: Task, key: str) -> set[str]:
    """Modules by their paths, or functions with bugs by their names."""
    given = task.metadata[key]
    return {str(name) for name in given} if isinstance(given, list | dict) else set()


def _read(attempt: Attempt, path: str) -> str:
    """A module as the agent left it.

    Raises:
        InputError: It is no regular file, too large, or no text.
        SandboxError: The session itself failed.
    """
    content = attempt.workspace.session().read(path)
    if len(content) > MOST_FILE_BYTES:
        raise InputError(f"{path!r} has {len(content)} bytes, more than {MOST_FILE_BYTES}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path!r} is no UTF-8") from None


def _source(task: Task, files: Mapping[str, str]) -> str:
    """A program that imports the functions out of the modules."""
    imports = [
        f"from {path.removesuffix('.py').replace('/', '.')} import {name}"
        for path in files
        for name in _DEFINED.findall(task.files[path])
    ]
    package = next(iter(files)).partition("/")[0]
    return _SOURCE.format(package=package, files=dict(files), imports="\n".join(imports))


def milestones(task: Task) -> Sequence[Milestone]:
    """That a module with a bug was changed, which no success does without."""
    del task
    return [Milestone("module changed", _changed)]


def _changed(attempt: Attempt) -> bool:
    """Whether a module with a bug is, or was after some turn, another than was given."""
    state = attempt.workspace.state
    if not state.get(_CHANGED) and attempt.results:
        # Noted, since what was changed may be changed back.
        state[_CHANGED] = any(_differs(attempt, path) for path in _with_bugs(attempt.task))
    return bool(state.get(_CHANGED))


def _with_bugs(task: Task) -> list[str]:
    bugs = _names(task, _BUGS)
    paths = sorted(_names(task, _MODULES))
    return [path for path in paths if bugs & set(_DEFINED.findall(task.files[path]))]


def _differs(attempt: Attempt, path: str) -> bool:
    try:
        return _read(attempt, path) != attempt.task.files[path]
    except InputError:
        return False
