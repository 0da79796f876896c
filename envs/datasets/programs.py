"""MBPP, HumanEval and APPS by path: programs to be written, which hidden tests judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from reachgym.envs.datasets.row_files import Row
from reachgym.envs.datasets.scan import Shape
from reachgym.envs.datasets.sources import Paths, rows_taskset
from reachgym.envs.graders import apps_task, code_verifier, humaneval_task, mbpp_task
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.interface import parse_interface
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.session import session_python_tool, shell_tool
from reachgym.envs.types import JSON, Budget, Split, Task

TOOLS = ("python", "shell")

_BUDGET = Budget(turns=16)


def _read(make: Callable[[Row, Split], Task], row: Row, name: str, split: Split) -> Task:
    del name  # These rows have ids of their own, or get one by their content.
    return make(row, split)


MBPP = Shape("mbpp", partial(_read, mbpp_task))
HUMANEVAL = Shape("humaneval", partial(_read, humaneval_task))
APPS = Shape("apps", partial(_read, apps_task))


def _make(
    shape: Shape,
    path: Paths = None,
    train: Paths = None,
    validation: Paths = None,
    held_out: Paths = None,
    unusable: str = "refuse",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/MBPP-v0`, `reachgym/HumanEval-v0` or `reachgym/APPS-v0`.

    Args:
        shape: Which of them.
        path: A file of rows, or several, split by a hash of the content.
        train, validation, held_out: Or the files of each split, which the data set calls `test`.
        unusable: `"refuse"` files with malformed rows or splits with common content, or `"drop"`
            such rows, e.g. those of MBPP whose tests use more of the solution than its functions.
        interface: Tools and information, by default no tools; python and shell are known, both in
            a session.
        sandbox: Where tests and tools run code, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
        InputError: A file cannot be read, or its rows are refused.
    """
    splits: dict[Split, Paths] = {"train": train, "validation": validation, "held_out": held_out}
    offered = parse_interface(interface, known=TOOLS, default=())
    return ToolEnv(
        rows_taskset(shape, path, splits, unusable),
        tools=offered.chosen({"python": session_python_tool, "shell": shell_tool}),
        verifier=code_verifier,
        information=offered.information,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


make_mbpp = partial(_make, MBPP)
make_humaneval = partial(_make, HUMANEVAL)
make_apps = partial(_make, APPS)
