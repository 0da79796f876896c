"""Runs apart from the worker: draws tasks of reasoning-gym, and scores answers to them.

Some of its scorers evaluate the answer as Python. What an answer has evaluated may therefore use
numbers, lists, texts and the names of mathematics alone, whichever scorer does it.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import reasoning_gym
from reasoning_gym.composite import DatasetSpec
from reasoning_gym.factory import DATASETS

from reachgym.envs.taskset import split_of

_EVALUATED = "<string>"
# What sympy writes for what an answer names, and what answers may name themselves.
_WRITTEN = "sympy Symbol Integer Float Rational Function Add Mul Pow"
_FUNCTIONS = """
    Abs Max Min sin cos tan cot sec csc asin acos atan sinh cosh tanh exp log ln sqrt factorial
    pi oo
"""
_NAMES = frozenset(f"{_WRITTEN} {_FUNCTIONS}".split())


def names() -> list[str]:
    """The data sets there are."""
    return sorted(DATASETS)


def draw(dataset: str, config: dict[str, Any], split: str, seeds: Sequence[int]) -> object:
    """The first of the tasks with these seeds whose question belongs to a split.

    Returns:
        Seed, question and answer; None if no question does.
    """
    for seed in seeds:
        entry = _made(dataset, config, seed)[0]
        if split_of("reasoning-gym", " ".join(entry["question"].split())) == split:
            answer = entry["answer"]
            return [seed, entry["question"], answer if answer is None else str(answer)]
    return None


def score(dataset: str, config: dict[str, Any], seed: int, answer: str) -> float:
    """The data set's own score of an answer, to the task with a seed."""
    made = _made(dataset, config, seed)
    entry = made[0]
    sys.addaudithook(_refuse_programs)
    return float(made.score_answer(answer, entry))


def _made(dataset: str, config: Mapping[str, Any], seed: int) -> Any:  # noqa: ANN401 - untyped
    given = dict(config)
    if dataset == "composite":
        given["datasets"] = [DatasetSpec(**spec) for spec in given["datasets"]]
    # A data set of one, since some draw for all of their entries together.
    return reasoning_gym.create_dataset(dataset, seed=seed, size=1, **given)


def _refuse_programs(event: str, arguments: tuple[object, ...]) -> None:
    if event != "exec":
        return
    code = arguments[0]
    if isinstance(code, types.CodeType) and code.co_filename == _EVALUATED:
        unknown = {name for name in _used(code) if len(name) > 1 and name not in _NAMES}
        if unknown:
            raise ValueError(f"an answer may not name {', '.join(sorted(unknown))}")


def _used(code: types.CodeType) -> Iterator[str]:
    """All names of a program, nested ones included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _used(constant)
