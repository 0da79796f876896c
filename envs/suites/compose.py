"""Compose: string operations one after the other, done in the head."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from string import ascii_lowercase

from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.interface import parse_interface, require_in_range, require_seed
from reachgym.envs.suites.oracle import answer, prompt_body
from reachgym.envs.suites.world import spell
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, Budget, Message, Split, Task

DIFFICULTIES = range(1, 5)

_BUDGET = Budget(turns=16)
_LETTERS = range(2, 9)
_NEXT = str.maketrans(ascii_lowercase, ascii_lowercase[1:] + ascii_lowercase[0])

# Every operation is a bijection on texts of one length, so a uniform text stays uniform.
OPERATIONS: Mapping[str, Callable[[str], str]] = {
    "r": lambda text: text[::-1],
    "s": lambda text: text[-1] + text[1:-1] + text[0],
    "l": lambda text: text[1:] + text[0],
    "n": lambda text: text.translate(_NEXT),
}
_NAMES = tuple(OPERATIONS)


class ComposeTaskset:
    """Random texts and operations without end; a hash of the text says whose split it is.

    The result is uniform over all texts of its length, which is the chance.
    """

    def __init__(self, world_seed: int, operations: int, letters: int = 4) -> None:
        self.name = f"compose-{operations}"
        self._world_seed = world_seed
        self._operations = operations
        self._letters = letters

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        text, operations = self._draw(split, index)
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=f"C:{text}/{operations}",
            gold=apply(text, operations),
            family=self.name,
            split=split,
            chance=float(len(ascii_lowercase)) ** -self._letters,
            metadata={"world_seed": self._world_seed},
        )

    def size(self, split: Split) -> None:
        """None: a split does not end."""
        check_split(split)

    def _draw(self, split: Split, index: int) -> tuple[str, str]:
        place = (self.name, self._world_seed, split, index)
        texts = (spell(derive_seed(*place, "text", i), self._letters) for i in count())
        text = next(text for text in texts if self._split_of(text) == split)
        chains = (self._chain(derive_seed(*place, "operations", i)) for i in count())
        # A chain that changes no text would be solved by copying the prompt.
        distinct = ascii_lowercase[: self._letters]
        return text, next(chain for chain in chains if apply(distinct, chain) != distinct)

    def _chain(self, number: int) -> str:
        """Operations spelt by the base-4 digits of a number."""
        return "".join(_NAMES[number >> 2 * i & 3] for i in range(self._operations))

    def _split_of(self, text: str) -> Split:
        tenth = derive_seed("compose", self._world_seed, text) % 10
        return "train" if tenth < 8 else "validation" if tenth == 8 else "held_out"


def apply(text: str, operations: str) -> str:
    """`text` after the operations, from left to right."""
    for name in operations:
        text = OPERATIONS[name](text)
    return text


def make_compose(
    difficulty: int = 2,
    world_seed: int = 0,
    interface: Mapping[str, JSON] | None = None,
    letters: int = 4,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/Compose-v0`.

    Args:
        difficulty: Operations to apply, 1 to 4.
        world_seed: Which texts are drawn, and which fall into which split.
        interface: Tools and information, by default none.
        letters: Length of the text, 2 to 8.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, DIFFICULTIES[0], DIFFICULTIES[-1])
    require_in_range("letters", letters, _LETTERS[0], _LETTERS[-1])
    require_seed(world_seed)
    offered = parse_interface(interface, default=())
    return ToolEnv(
        ComposeTaskset(world_seed, difficulty, letters),
        tools=offered.build_tools(world_seed),
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The answer at once."""
    text, _, operations = prompt_body(messages).partition("/")
    return answer(apply(text, operations))


def guess(prompt: str, rng: random.Random) -> str:
    """A uniform draw from all texts of the prompt's length."""
    text = prompt.partition(":")[2].partition("/")[0]
    return spell(rng.getrandbits(63), len(text))
