"""Whether the gold of a data set's rows passes the verifier of its own environment."""

from __future__ import annotations

from dataclasses import dataclass

from reachgym.envs.datasets.reasoning_gym import UNKNOWN
from reachgym.envs.datasets.row_taskset import RowTaskset
from reachgym.envs.errors import ConfigError, InfrastructureError, TaskError
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import SPLITS, Message, Split, Task, Verdict


@dataclass(frozen=True, slots=True)
class GoldFailure:
    """A task whose gold does not pass.

    Attributes:
        place: File and row, or the task's id where there is no file.
        explanation: What the verifier said.
    """

    place: str
    explanation: str


@dataclass(frozen=True, slots=True)
class GoldReport:
    """What judging gold answers found.

    Attributes:
        checked: Tasks whose gold was judged.
        without_gold: Tasks looked at that bring no answer to be judged, such as rows of APPS
            without solutions.
        failures: Those whose gold does not pass.
    """

    checked: int
    without_gold: int
    failures: tuple[GoldFailure, ...]


def gold_answer(task: Task) -> str | None:
    """The answer that a data set gives to its own task; None if it gives none.

    A program's gold is its tests, and the answer is the row's solution.
    """
    if "solution" in task.metadata:
        solution = str(task.metadata["solution"])
        return f"```python\n{solution}\n```" if solution else None
    return None if task.gold == UNKNOWN else task.gold


def validate_gold(env: ToolEnv, sample: int | None = 32) -> GoldReport:
    """Judge the gold of tasks of every split by the environment's own verifier.

    Args:
        env: An environment over a data set. An episode under way in it ends.
        sample: How many tasks of each split, evenly spread over it; None for all.

    Raises:
        ConfigError: All are asked for, and a split has no end.
        InfrastructureError: The verifier failed by itself.
        InputError: A row cannot be read any more.
    """
    checked = without = 0
    failures: list[GoldFailure] = []
    for split in SPLITS:
        for index in _spread(env.taskset.size(split), sample):
            task = env.taskset.task(split, index)
            answer = gold_answer(task)
            if answer is None:
                without += 1
                continue
            checked += 1
            why = _why_not(env, task, answer)
            if why:
                failures.append(GoldFailure(_place(env, split, index), why))
    return GoldReport(checked, without, tuple(failures))


def _spread(size: int | None, sample: int | None) -> list[int]:
    if size is None:
        if sample is None:
            raise ConfigError("an endless split cannot be judged as a whole; give sample=")
        return list(range(sample))
    count = size if sample is None else min(size, sample)
    return [index * size // count for index in range(count)]


def _why_not(env: ToolEnv, task: Task, answer: str) -> str:
    """Why an answer does not pass; empty if it does."""
    env.reset(options={"task": task})
    try:
        verdict: Verdict = env.step(Message("assistant", answer))[-1]["verdict"]
    except InfrastructureError as error:
        # The tests themselves do not work, and that is the row's own fault.
        if isinstance(error.__cause__, TaskError):
            return str(error.__cause__)
        raise
    return "" if verdict.passed else verdict.explanation or "It does not pass."


def _place(env: ToolEnv, split: Split, index: int) -> str:
    if isinstance(env.taskset, RowTaskset):
        return env.taskset.place(split, index)
    return env.taskset.task(split, index).id
