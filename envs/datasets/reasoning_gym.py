"""reasoning-gym's procedural data sets as an environment, scored by their own scorers."""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
from collections.abc import Mapping
from functools import lru_cache

from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.graders.isolated import CallLimits, Failed, Isolated
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.interface import parse_interface, require_in_range
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import JSON, SPLITS, Budget, Split, Task, Verdict
from reachgym.envs.verifier import Attempt

TOOLS = ("python",)
# What stands for the gold where a data set gives no answer, but scores those of others.
UNKNOWN = "(whatever the data set's own scorer accepts)"

_BUDGET = Budget(turns=16)
_ASKED = "Give your final answer, and nothing else, between <answer> and </answer>."
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
# Splits draw seeds from ranges of their own; some data sets take no more than 32 bits.
_SEEDS_A_SPLIT = 2**28
# A tenth of all questions belongs to a held-out split: one is missed once in 10**11.
_DRAWS = 256
_DRAWING = CallLimits(cpu_s=60, wall_s=300)
_MOST_CHARACTERS = 20_000


class ReasoningTaskset:
    """The tasks of one data set, drawn by hash, each from a seed of its own.

    Which split a question belongs to follows from a hash of the question, so that splits share
    none, whatever the seeds. Besides, each split has its own range of seeds.

    Args:
        dataset: Its name in reasoning-gym.
        config: Its own arguments.
        seed: Another one gives other tasks.
        size: How many tasks a split has; None for no end.

    Raises:
        ConfigError: There is no such data set, or it does not take these arguments.
    """

    def __init__(
        self, dataset: str, config: Mapping[str, JSON], seed: int = 0, size: int | None = None
    ) -> None:
        self.name = f"reasoning-gym-{dataset}"
        self._dataset = dataset
        self._config = dict(config)
        self._seed = seed
        self._size = size
        drawn = self._draw("train", 0)
        if isinstance(drawn, Failed) and drawn.raised:
            raise ConfigError(
                f"reasoning-gym's {dataset} cannot be made with config {json.dumps(self._config)}: "
                f"{drawn.why}"
            )

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index, or no question that belongs to the split.
            SandboxError: Nothing can be drawn here.
        """
        check_index(self, split, index)
        drawn = self._draw(split, index)
        if not isinstance(drawn, list):
            why = f", {drawn.why}" if isinstance(drawn, Failed) else ""
            raise TaskError(
                f"{self.name}: expected a question of the {split} split among {_DRAWS}, found none"
                f"{why}; it has too few different ones, so give another config or data set"
            )
        seed, question, gold = drawn
        return Task(
            f"{self.name}/{split}/{index}",
            f"{str(question).strip()}\n{_ASKED}",
            UNKNOWN if gold in (None, "") else str(gold),
            family=self.name,
            split=split,
            metadata={"dataset": self._dataset, "config": self._config, "seed": seed},
        )

    def size(self, split: Split) -> int | None:
        """How many tasks a split has."""
        check_split(split)
        return self._size

    def _draw(self, split: Split, index: int) -> JSON | Failed:
        begin = SPLITS.index(split) * _SEEDS_A_SPLIT
        parts = ("reasoning-gym", self._seed, split, index)
        seeds: list[JSON] = [
            begin + derive_seed(*parts, draw) % _SEEDS_A_SPLIT for draw in range(_DRAWS)
        ]
        return _player().call("draw", self._dataset, self._config, split, seeds, limits=_DRAWING)


def final_answer(text: str) -> str:
    """What stands between the last `<answer>` and `</answer>`, or all where there is neither."""
    found = _ANSWER.findall(text)
    return str(found[-1] if found else text).strip()


def reasoning_verifier(attempt: Attempt) -> Verdict:
    """Passed at a score of 1 by the data set's own scorer; the reward is the score.

    It runs in a process that can harm nothing. An answer on which it raises or does not end, or
    that has it evaluate more than mathematics, scores 0.
    """
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    given = final_answer(attempt.answer)
    if len(given) > _MOST_CHARACTERS:
        return Verdict(0.0, False, f"The answer has more than {_MOST_CHARACTERS} characters.")
    about = attempt.task.metadata
    score = _player().call("score", about["dataset"], about["config"], about["seed"], given)
    if not isinstance(score, int | float) or not 0 <= score <= 1:
        why = score.why if isinstance(score, Failed) else f"it is scored {score}"
        return Verdict(0.0, False, f"The answer {given[:80]!r} could not be scored: {why}.")
    return Verdict(float(score), score == 1, f"{given[:80]!r} scores {score:.3g}.")


@lru_cache(maxsize=1)
def _player() -> Isolated:
    return Isolated("reachgym.envs.datasets.reasoning_play")


def make_reasoning_gym(
    dataset: str,
    seed: int = 0,
    size: int | None = None,
    config: Mapping[str, JSON] | None = None,
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/ReasoningGym-v0`.

    Args:
        dataset: A data set of reasoning-gym, e.g. `"leg_counting"`.
        seed: Another one gives other tasks.
        size: How many tasks each split has; by default there is no end.
        config: The data set's own arguments, e.g. `{"max_animals": 5}`.
        interface: Tools and information, by default no tools; python is known.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: reasoning-gym is not installed, or an argument is out of range.
    """
    require_in_range("seed", seed, 0, 2**63 - 1)
    if size is not None:
        require_in_range("size", size, 1, 2**31)
    given = _config({} if config is None else config)
    _require_known(dataset)
    offered = parse_interface(interface, known=TOOLS, default=())
    return ToolEnv(
        ReasoningTaskset(dataset, given, seed, size),
        tools=offered.chosen({"python": python_tool}),
        verifier=reasoning_verifier,
        information=offered.information,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def _config(given: Mapping[str, JSON]) -> Mapping[str, JSON]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"config expects the data set's own arguments by name, got {given!r}")
    ours = given.keys() & {"seed", "size"}
    if ours:
        raise ConfigError(f"{', '.join(sorted(ours))} is no part of config; give it beside dataset")
    return given


def _require_known(dataset: str) -> None:
    if importlib.util.find_spec("reasoning_gym") is None:
        raise ConfigError(
            "reachgym/ReasoningGym-v0 needs reasoning-gym, which is not installed; "
            "run pip install 'reachgym[reasoning-gym]'"
        )
    names = _player().call("names")
    known = [str(name) for name in names] if isinstance(names, list) else []
    if dataset not in known:
        near = difflib.get_close_matches(str(dataset), known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"reasoning-gym has no data set {dataset!r}; {hint}")
