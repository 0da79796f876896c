"""Arithmetic: products of two numbers, for which a Python tool may be offered."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from reachgym.envs.errors import TaskError
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.family import FamilyInfo
from reachgym.envs.suites.interface import (
    Text,
    parse_interface,
    require_in_range,
    require_seed,
    require_text,
)
from reachgym.envs.suites.oracle import answer, call_tool, prompt_of, tool_outputs
from reachgym.envs.suites.world_search import TOOLS, world_tools
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, SPLITS, Budget, Message, Split, Task

# With four digits there are forty million pairs, too many to enumerate for order and chance.
DIFFICULTIES = range(1, 4)

_PRODUCT = re.compile(r"(\d+)\*(\d+)")
_BUDGET = Budget(turns=16)
_TENTHS: Mapping[Split, int] = {"train": 8, "validation": 1, "held_out": 1}


class ArithmeticTaskset:
    """Every unordered pair of numbers with `digits` digits, dealt to the splits by hash.

    Eight tenths are for training, a tenth is for validation, a tenth is held out, the same ones in
    every world; the world says in which order they come and which factor comes first. The chance is
    that of the most common product over all pairs: it bounds any policy that does not know the
    order.
    """

    def __init__(self, world_seed: int, digits: int, text: Text = "chat") -> None:
        self.name = f"arithmetic-{digits}"
        self._world_seed = world_seed
        self._digits = digits
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        pair = int(_order(self._world_seed, self._digits, split)[index])
        factors = [int(side[pair]) for side in _pairs(self._digits)]
        if derive_seed("factors", self._world_seed, *factors) % 2:
            factors.reverse()
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=_prompt(factors[0], factors[1], self._text),
            gold=str(factors[0] * factors[1]),
            family=self.name,
            split=split,
            chance=_most_common_products(self._digits)[1],
            metadata={"world_seed": self._world_seed},
        )

    def size(self, split: Split) -> int:
        """How many tasks a split has."""
        check_split(split)
        begin, end = _bounds(self._digits, split)
        return end - begin


def _prompt(first: int, second: int, text: Text) -> str:
    if text == "terse":
        return f"A:{first}*{second}"
    return f"What is {first}*{second}? Answer with the number in digits and nothing else."


@lru_cache
def _pairs(digits: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Smaller and larger factors of every unordered pair, each of shape (pairs,)."""
    lowest = 10 ** (digits - 1)
    smaller, larger = np.triu_indices(9 * lowest)
    return (smaller + lowest).astype(np.int32), (larger + lowest).astype(np.int32)


@lru_cache(maxsize=16)
def _order(world_seed: int, digits: int, split: Split) -> npt.NDArray[np.int32]:
    """The pairs of a split in the order of a world, shape (size of the split,)."""
    begin, end = _bounds(digits, split)
    dealt = _permutation(derive_seed("arithmetic", digits), np.arange(len(_pairs(digits)[0])))
    return _permutation(derive_seed("arithmetic", world_seed, digits), dealt[begin:end])


def _permutation(seed: int, pairs: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Pairs in an order drawn by hash, shape kept."""
    order = np.argsort(_splitmix64(np.uint64(seed) + pairs.astype(np.uint64)))
    return pairs[order].astype(np.int32)


def _splitmix64(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijective hash of 64-bit integers (Steele, Lea & Flood 2014), shape kept.

    NumPy's own permutations may change with its version; tasks must not.
    """
    mixed = values * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _bounds(digits: int, split: Split) -> tuple[int, int]:
    """Where a split begins and ends among the pairs as they are dealt."""
    count = len(_pairs(digits)[0])
    before = sum(_TENTHS[s] for s in SPLITS[: SPLITS.index(split)])
    return count * before // 10, count * (before + _TENTHS[split]) // 10


@lru_cache
def _most_common_products(digits: int) -> tuple[tuple[int, ...], float]:
    """The products that most pairs have, and the probability of one of them."""
    smaller, larger = _pairs(digits)
    products, counts = np.unique(smaller.astype(np.int64) * larger, return_counts=True)
    modes = products[counts == counts.max()]
    return tuple(int(product) for product in modes), float(counts.max() / counts.sum())


def make_arithmetic(
    difficulty: int = 3,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/Arithmetic-v0`.

    Args:
        difficulty: Digits of either factor, 1 to 3.
        world_seed: In which order the pairs of a split come.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
        interface: Tools and information, by default python.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, DIFFICULTIES[0], DIFFICULTIES[-1])
    require_seed(world_seed)
    form = require_text(text)
    offered = parse_interface(interface, known=TOOLS, default=("python",))
    return ToolEnv(
        ArithmeticTaskset(world_seed, difficulty, form),
        tools=offered.chosen(world_tools(world_seed, form)),
        budget=_BUDGET,
        information=offered.information,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that has Python multiply; it needs the python tool."""
    outputs = tool_outputs(messages)
    if outputs:
        return answer(outputs[-1])
    return call_tool(messages, "python", {"code": _product(prompt_of(messages))[0]})


def _product(prompt: str) -> re.Match[str]:
    match = _PRODUCT.search(prompt)
    if match is None:
        raise TaskError(f"expected a prompt with a product, got {prompt!r}")
    return match


def guess(prompt: str, rng: random.Random) -> str:
    """One of the most common products, which no guess beats."""
    modes, _ = _most_common_products(len(_product(prompt)[1]))
    return str(rng.choice(modes))


FAMILY = FamilyInfo(
    id="reachgym/Arithmetic-v0",
    name="arithmetic",
    description="Multiply two numbers of one to three digits, with Python where it is offered.",
    levels={1: "one digit each", 2: "two digits each", 3: "three digits each"},
    tools=("python", "search"),
    oracle=oracle,
    guess=guess,
    about=(
        "Two numbers are to be multiplied. Nothing is hidden: what Python adds is computation."
        "\n\n"
        "**Chance.** The share of the most common product among all pairs of numbers of that "
        "length, counted exactly.\n\n"
        "**Splits and worlds.** A hash deals the pairs to the splits, the same in every world; "
        "a split ends where the numbers do. Another world seed gives another order.\n\n"
        "**Evidence.** None is asked for: the right product passes.\n\n"
        "**Milestones.** None."
    ),
)
