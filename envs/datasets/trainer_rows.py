"""Rows of SkyRL and verl by path: prompts as messages, ground truths, ways to score."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from reachgym.envs.datasets.row_files import Row, open_rows
from reachgym.envs.datasets.scan import Shape
from reachgym.envs.datasets.sources import Paths, first_file, rows_taskset
from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.graders.fields import described, wrong
from reachgym.envs.graders.maths import gsm8k_answer, math_answer, maths_verifier
from reachgym.envs.graders.short_answers import short_answer_verifier
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.interface import parse_interface
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import JSON, Budget, Split, Task, Verdict
from reachgym.envs.verifier import Attempt, Verifier, exact_match

TOOLS = ("python",)

# By math-verify where either data set has its answers, by F1 of normalized words, or by equality.
ANSWERS: Mapping[str, Verifier] = {
    "exact": exact_match,
    "gsm8k": maths_verifier(gsm8k_answer),
    "math": maths_verifier(math_answer),
    "words": short_answer_verifier,
}
_BUDGET = Budget(turns=16)
# What the rows' own programs score in the same way, by what they call their source.
_SOURCES = {
    "gsm8k": re.compile(r"gsm8k"),
    "math": re.compile(r"math|aime|amc|olympiad|minerva"),
    "words": re.compile(r"hotpot|triviaqa|popqa|\bnq\b|2wiki|musique|bamboogle|search"),
    "exact": re.compile(r"reachgym"),
}


def _read(system: str, answers: str | None, row: Row, name: str, split: Split) -> Task:
    told, prompt = _messages(row)
    if told != system:
        raise wrong(
            "prompt",
            f"the system message of the first row, {system[:40]!r}, as an environment has one",
            repr(told[:40]),
        )
    targets = _targets(row)
    metadata: dict[str, JSON] = {"answers": answers or _scored(row), "targets": [*targets]}
    source = row.get("data_source")
    if isinstance(source, str):
        metadata["data_source"] = source
    return Task(name, prompt, targets[0], family="rows", split=split, metadata=metadata)


def _messages(row: Row) -> tuple[str, str]:
    """The system message, empty if there is none, and the user's."""
    expected = "a list of a user message, or of a system and a user message"
    match row.get("prompt"):
        case [{"role": "user", "content": str(prompt)}]:
            return "", prompt
        case [{"role": "system", "content": str(system)}, {"role": "user", "content": str(prompt)}]:
            return system, prompt
        case [*several] if all(isinstance(one, Mapping) for one in several):
            raise wrong("prompt", expected, f"the roles {[one.get('role') for one in several]}")
    raise wrong("prompt", expected, described(row, "prompt"))


def _system_message(path: Path) -> str:
    """The system message of the first row that is well-formed."""
    for row in open_rows(path).scan():
        try:
            return _messages(row)[0]
        except TaskError:
            continue  # Reading all rows tells where it is.
    return ""


def _targets(row: Row) -> tuple[str, ...]:
    """What may be answered; the first is the gold."""
    field = "reward_spec" if row.get("reward_spec") is not None else "reward_model"
    truth = row.get(field)
    if not isinstance(truth, Mapping):
        raise wrong(
            field, "an object with a ground_truth (verl calls it reward_model)", repr(truth)
        )
    match truth.get("ground_truth"):
        case {"target": [*several]} | [*several] if several and all(
            isinstance(one, str) and one for one in several
        ):
            return tuple(several)
        case str(one) | {"target": str(one)} if one.strip():
            return (one,)
        case bool():
            pass
        case int(number) | float(number):
            return (json.dumps(number),)
    raise wrong(f"{field}.ground_truth", "a text, a number or a list of texts", f"{truth}"[:60])


def _scored(row: Row) -> str:
    """How the answers of a source are scored."""
    named = " ".join(str(row.get(field) or "") for field in ("env_class", "data_source")).lower()
    for answers, pattern in _SOURCES.items():
        if pattern.search(named):
            return answers
    raise wrong(
        "data_source",
        f"a source whose scoring is known (else give answers=, one of {', '.join(ANSWERS)})",
        repr(named.strip()),
    )


# One shape for equal arguments, by which environments share their tasksets.
@lru_cache(maxsize=64)
def rows_shape(system: str, answers: str | None) -> Shape:
    """The shape of rows that open with this system message and are scored in this way."""
    return Shape("rows", partial(_read, system, answers))


def _verify(attempt: Attempt) -> Verdict:
    """The best verdict over all targets."""
    verifier = ANSWERS[str(attempt.task.metadata["answers"])]
    targets = attempt.task.metadata["targets"]
    golds = [str(one) for one in targets] if isinstance(targets, list) else []
    verdicts = (verifier(replace(attempt, task=replace(attempt.task, gold=g))) for g in golds)
    return max(verdicts, key=lambda verdict: (verdict.passed is True, verdict.reward or 0.0))


def _known(answers: str | None) -> str | None:
    if answers is not None and answers not in ANSWERS:
        raise ConfigError(f"answers expects one of {', '.join(ANSWERS)}, got {answers!r}")
    return answers


def make_rows(
    path: Paths = None,
    train: Paths = None,
    validation: Paths = None,
    held_out: Paths = None,
    unusable: str = "refuse",
    answers: str | None = None,
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/Rows-v0`.

    Args:
        path: A file of rows, or several, split by a hash of the content.
        train: Or the files of each split.
        unusable: `"refuse"` files with malformed rows or splits with common content, or `"drop"`
            such rows.
        answers: How answers are scored, a key of `ANSWERS`; by default as the source that a row's
            env_class or data_source names scores them.
        interface: Tools and information, by default no tools; python is known.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
        InputError: A file cannot be read, or its rows are refused.
    """
    splits: dict[Split, Paths] = {"train": train, "validation": validation, "held_out": held_out}
    offered = parse_interface(interface, known=TOOLS, default=())
    system = _system_message(first_file(path, splits))
    return ToolEnv(
        rows_taskset(rows_shape(system, _known(answers)), path, splits, unusable),
        tools=offered.chosen({"python": python_tool}),
        verifier=_verify,
        system_prompt=system,
        information=offered.information,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )
