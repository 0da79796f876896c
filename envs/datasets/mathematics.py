r"""GSM8K and MATH by path: problems whose answers math-verify compares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from reachgym.envs.datasets.row_files import Row
from reachgym.envs.datasets.scan import Shape
from reachgym.envs.datasets.sources import Paths, rows_taskset
from reachgym.envs.graders.fields import described, text, wrong
from reachgym.envs.graders.maths import (
    Extract,
    after_hashes,
    boxed,
    gsm8k_answer,
    math_answer,
    maths_verifier,
)
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.interface import parse_interface
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import JSON, Budget, Split, Task

TOOLS = ("python",)

_BUDGET = Budget(turns=16)
_HASHES = "Think step by step. End your answer with a line `#### ` followed by the number alone."
_BOX = r"Think step by step. Put your final answer, and nothing else, in \boxed{}."
# MATH-500 names the type `subject`.
_ABOUT = ("level", "type", "subject")


def gsm8k_task(row: Row, name: str, split: Split) -> Task:
    """The task of a row of GSM8K: question, and answer, which ends in `#### n`.

    Raises:
        TaskError: A field is missing or malformed.
    """
    question, answer = text(row, "question"), text(row, "answer")
    gold = after_hashes(answer)
    if gold is None:
        raise wrong("answer", "a solution that ends in '#### ' and a number", repr(answer[-40:]))
    return Task(name, f"{question.strip()}\n{_HASHES}", gold, family="gsm8k", split=split)


def math_task(row: Row, name: str, split: Split) -> Task:
    r"""The task of a row of MATH: problem, and solution, which boxes the answer; level and type.

    Where there is a field `answer`, as in MATH-500, it is the gold.

    Raises:
        TaskError: A field is missing or malformed.
    """
    problem = text(row, "problem")
    if row.get("answer") is None:
        gold = boxed(text(row, "solution"))
    else:
        gold = text(row, "answer").strip()
    if not gold:
        raise wrong("solution", r"a solution that ends in \boxed{...}", described(row, "solution"))
    about = {field: str(row[field]) for field in _ABOUT if row.get(field) is not None}
    prompt = f"{problem.strip()}\n{_BOX}"
    return Task(name, prompt, gold, family="math", split=split, metadata={**about})


GSM8K = Shape("gsm8k", gsm8k_task)
MATH = Shape("math", math_task)


def _make(
    shape: Shape,
    extract: Extract,
    path: Paths = None,
    train: Paths = None,
    validation: Paths = None,
    held_out: Paths = None,
    unusable: str = "refuse",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/GSM8K-v0` or `reachgym/MATH-v0`.

    Args:
        shape: Which of them.
        extract: Where it has its answers.
        path: A file of rows, or several, split by a hash of the content.
        train, validation, held_out: Or the files of each split, which the data sets call `test`.
        unusable: `"refuse"` files with malformed rows or splits with common content, or `"drop"`
            such rows.
        interface: Tools and information, by default no tools; python is known.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
        InputError: A file cannot be read, or its rows are refused.
    """
    splits: dict[Split, Paths] = {"train": train, "validation": validation, "held_out": held_out}
    offered = parse_interface(interface, known=TOOLS, default=())
    return ToolEnv(
        rows_taskset(shape, path, splits, unusable),
        tools=offered.chosen({"python": python_tool}),
        verifier=maths_verifier(extract),
        information=offered.information,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


make_gsm8k = partial(_make, GSM8K, gsm8k_answer)
make_math = partial(_make, MATH, math_answer)
