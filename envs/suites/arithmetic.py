"""Arithmetic: products of two numbers, for which a Python tool may be offered."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.interface import parse_interface, require_in_range, require_seed
from reachgym.envs.suites.oracle import answer, call_tool, prompt_body, tool_outputs
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, SPLITS, Budget, Message, Split, Task

# With four digits there are forty million pairs, too many to enumerate for order and chance.
DIFFICULTIES = range(1, 4)

_BUDGET = Budget(turns=16)
_TENTHS: Mapping[Split, int] = {"train": 8, "validation": 1, "held_out": 1}


class ArithmeticTaskset:
    """Every unordered pair of numbers with `digits` digits, in an order drawn by hash.

    The first eight tenths of the order are for training, a tenth is for validation, a tenth is
    held out; which factor comes first is drawn as well. The chance is that of the most common
    product over all pairs: it bounds any policy that does not know the order.
    """

    def __init__(self, world_seed: int, digits: int) -> None:
        self.name = f"arithmetic-{digits}"
        self._world_seed = world_seed
        self._digits = digits

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        begin, _ = _bounds(self._digits, split)
        pair = int(_order(self._world_seed, self._digits)[begin + index])
        factors = [int(side[pair]) for side in _pairs(self._digits)]
        if derive_seed("factors", self._world_seed, *factors) % 2:
            factors.reverse()
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=f"A:{factors[0]}*{factors[1]}",
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


@lru_cache
def _pairs(digits: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Smaller and larger factors of every unordered pair, each of shape (pairs,)."""
    lowest = 10 ** (digits - 1)
    smaller, larger = np.triu_indices(9 * lowest)
    return (smaller + lowest).astype(np.int32), (larger + lowest).astype(np.int32)


@lru_cache(maxsize=8)
def _order(world_seed: int, digits: int) -> npt.NDArray[np.int32]:
    """A permutation of the pairs drawn by hash, shape (pairs,)."""
    count = len(_pairs(digits)[0])
    seed = np.uint64(derive_seed("arithmetic", world_seed, digits))
    return np.argsort(_splitmix64(seed + np.arange(count, dtype=np.uint64))).astype(np.int32)


def _splitmix64(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijective hash of 64-bit integers (Steele, Lea & Flood 2014), shape kept.

    NumPy's own permutations may change with its version; tasks must not.
    """
    mixed = values * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _bounds(digits: int, split: Split) -> tuple[int, int]:
    """Where a split begins and ends in the order of the pairs."""
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
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/Arithmetic-v0`.

    Args:
        difficulty: Digits of either factor, 1 to 3.
        world_seed: Which pairs fall into which split, and in which order.
        interface: Tools and information, by default python.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, DIFFICULTIES[0], DIFFICULTIES[-1])
    require_seed(world_seed)
    offered = parse_interface(interface, default=("python",))
    return ToolEnv(
        ArithmeticTaskset(world_seed, difficulty),
        tools=offered.build_tools(world_seed),
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that has Python multiply; it needs the python tool."""
    outputs = tool_outputs(messages)
    if outputs:
        return answer(outputs[-1])
    return call_tool(messages, "python", {"code": prompt_body(messages)})


def guess(prompt: str, rng: random.Random) -> str:
    """One of the most common products, which no guess beats."""
    digits = len(prompt.partition(":")[2].partition("*")[0])
    modes, _ = _most_common_products(digits)
    return str(rng.choice(modes))
