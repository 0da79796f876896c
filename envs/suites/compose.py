"""Compose: string operations one after the other, done in the head."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from string import ascii_lowercase

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
from reachgym.envs.suites.oracle import answer, prompt_of
from reachgym.envs.suites.world import spell
from reachgym.envs.suites.world_search import TOOLS, world_tools
from reachgym.envs.taskset import check_index, check_split, split_of
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, Budget, Message, Split, Task

DIFFICULTIES = range(1, 5)
TEXT_LETTERS = 5

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
_SENTENCES = {
    "r": "reverse it",
    "s": "swap its first and its last letter",
    "l": "move its first letter to the end",
    "n": "replace every letter by the next one of the alphabet, z by a",
}
_NAME_OF = {sentence: name for name, sentence in _SENTENCES.items()}
_TERSE = re.compile(r"C:(\w+)/(\w+)")
_CHAT = re.compile(r"text `(\w+)`")
_STEP = re.compile(r"^\d+\. (.*)\.$", re.MULTILINE)


class ComposeTaskset:
    """Random texts and operations without end; a hash of the text says whose split it is.

    The result is uniform over all texts of its length, which is the chance.
    """

    def __init__(
        self, world_seed: int, operations: int, letters: int = TEXT_LETTERS, text: Text = "chat"
    ) -> None:
        self.name = f"compose-{operations}"
        self._world_seed = world_seed
        self._operations = operations
        self._letters = letters
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        text, operations = self._draw(split, index)
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=_prompt(text, operations, self._text),
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
        text = next(text for text in texts if split_of(text) == split)
        chains = (self._chain(derive_seed(*place, "operations", i)) for i in count())
        # A chain that changes no text would be solved by copying the prompt.
        distinct = ascii_lowercase[: self._letters]
        return text, next(chain for chain in chains if apply(distinct, chain) != distinct)

    def _chain(self, number: int) -> str:
        """Operations spelt by the base-4 digits of a number."""
        return "".join(_NAMES[number >> 2 * i & 3] for i in range(self._operations))


def _prompt(text: str, operations: str, form: Text) -> str:
    if form == "terse":
        return f"C:{text}/{operations}"
    steps = [f"{i}. {_SENTENCES[name]}." for i, name in enumerate(operations, 1)]
    return "\n".join(
        [
            f"Take the text `{text}` and change it, each step on what the one before it gave:",
            *steps,
            "Answer with the resulting text and nothing else.",
        ]
    )


def apply(text: str, operations: str) -> str:
    """`text` after the operations, from left to right."""
    for name in operations:
        text = OPERATIONS[name](text)
    return text


def make_compose(
    difficulty: int = 2,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    letters: int = TEXT_LETTERS,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/Compose-v0`.

    Args:
        difficulty: Operations to apply, 1 to 4.
        world_seed: Which texts are drawn.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
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
    form = require_text(text)
    offered = parse_interface(interface, known=TOOLS, default=())
    return ToolEnv(
        ComposeTaskset(world_seed, difficulty, letters, form),
        tools=offered.chosen(world_tools(world_seed, form)),
        budget=_BUDGET,
        information=offered.information,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The answer at once."""
    return answer(apply(*_asked(prompt_of(messages))))


def _asked(prompt: str) -> tuple[str, str]:
    """The text, and the operations by their letters."""
    terse, chat = _TERSE.match(prompt), _CHAT.search(prompt)
    if terse is not None:
        return terse[1], terse[2]
    if chat is None:
        raise TaskError(f"expected a prompt with a text and operations, got {prompt!r}")
    return chat[1], "".join(_NAME_OF[step] for step in _STEP.findall(prompt))


def guess(prompt: str, rng: random.Random) -> str:
    """A uniform draw from all texts of the prompt's length."""
    return spell(rng.getrandbits(63), len(_asked(prompt)[0]))


FAMILY = FamilyInfo(
    id="reachgym/Compose-v0",
    name="compose",
    description="Apply one to four string operations (reverse, swap ends, rotate, next letter) "
    "in turn.",
    levels={1: "one operation", 2: "two", 3: "three", 4: "four"},
    tools=("python", "search"),
    oracle=oracle,
    guess=guess,
    about=(
        "A text is to be changed by operations, one after the other. The operations are the atomic "
        "skills; a study trains on few and asks for more in a row.\n\n"
        "**Chance.** Every operation is a bijection on texts of one length, so the result is "
        "uniform over them: `26**-letters`.\n\n"
        "**Splits and worlds.** A hash of the text says whose split it is, in every world; the "
        "splits do not end. Another world seed draws other texts.\n\n"
        "**Evidence.** None is asked for: nothing is hidden.\n\n"
        "**Milestones.** None."
    ),
)
