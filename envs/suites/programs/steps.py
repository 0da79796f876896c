"""Steps of generated programs: a kind with its numbers and sets filled in, as words and as code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product
from typing import Literal, TypeAlias

from reachgym.envs.errors import TaskError

Type: TypeAlias = Literal["text", "number", "numbers"]
Value: TypeAlias = "str | int | list[int]"
Function: TypeAlias = Callable[..., Value]

PHRASES: Mapping[Type, str] = {
    "text": "a text",
    "number": "a whole number",
    "numbers": "a list of whole numbers",
}
_OPEN = re.compile(r"\{(\w+)\}")
_BARE = re.compile(r"\bx\b")


@dataclass(frozen=True)
class Kind:
    """What a step may do to the value `x`.

    Attributes:
        name: Unique within its catalogue.
        takes: The type of the value before.
        gives: The type of the value after.
        sentence: What it does, in words; `{a}` stands for a value of the choices for `a`.
        code: What it does, in lines of Python that read and assign `x`; without tuples and
            generators, which versions of Python unparse differently.
        choices: What may be filled in, by name.
    """

    name: str
    takes: Type
    gives: Type
    sentence: str
    code: str
    choices: Mapping[str, Sequence[int | str]] = field(default_factory=dict)

    def variants(self) -> Iterator[Step]:
        """Every step of this kind."""
        for values in product(*self.choices.values()):
            yield Step(self, tuple(str(value) for value in values))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the sentence of any step of this kind, with a group for each choice."""
        parts: list[str] = []
        seen: set[str] = set()
        for index, part in enumerate(_OPEN.split(self.sentence)):
            if index % 2 == 0:
                parts.append(re.escape(part))
            elif part in seen:
                parts.append(f"(?P={part})")
            else:
                parts.append(rf"(?P<{part}>\w+)")
                seen.add(part)
        return re.compile("".join(parts))

    def __hash__(self) -> int:
        return hash((self.name, self.code))


@dataclass(frozen=True)
class Step:
    """A kind of step with its choices made.

    Attributes:
        kind: What it does.
        values: What is filled in, in the order of the kind's choices.
    """

    kind: Kind
    values: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What it does, in words."""
        return _filled(self.kind.sentence, self._filling())

    @property
    def lines(self) -> list[str]:
        """What it does, in Python."""
        return _filled(self.kind.code, self._filling()).split("\n")

    def _filling(self) -> dict[str, str]:
        return dict(zip(self.kind.choices, self.values, strict=True))


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _OPEN.sub(lambda match: values[match[1]], template)


def read_step(sentence: str, kinds: Sequence[Kind]) -> Step:
    """The step that a sentence tells of.

    Raises:
        TaskError: None of these kinds says so.
    """
    for kind in kinds:
        match = kind.pattern.fullmatch(sentence)
        if match is not None:
            return Step(kind, tuple(match[name] for name in kind.choices))
    raise TaskError(f"expected the sentence of a known step, got {sentence!r}")


def source_of(name: str, steps: Sequence[Step], docstring: str = "") -> str:
    """A function that takes `x` and returns it after the steps."""
    lines = [f'"""{docstring}"""'] if docstring else []
    lines += [line for step in steps for line in step.lines]
    body = "\n".join([*lines, "return x"])
    indented = "\n".join(f"    {line}" if line else "" for line in body.split("\n"))
    return f"def {name}(x):\n{indented}\n"


def expression_of(steps: Sequence[Step]) -> str:
    """The steps as one expression of `x` without spaces, where each is a line `x = ...`."""
    whole = "x"
    for step in steps:
        (line,) = step.lines
        whole = _BARE.sub(f"({whole})", line.removeprefix("x = "))
    # Unparsing leaves out the brackets that are not needed.
    return ast.unparse(ast.parse(whole, mode="eval")).replace(" ", "")


def compiled(source: str, name: str) -> Function:
    """A function out of source that this module's callers have written, never an agent."""
    names: dict[str, Function] = {}
    exec(compile(source, "<program>", "exec"), names)  # noqa: S102 - it is our own
    return names[name]


@lru_cache(maxsize=8192)
def function_of(step: Step) -> Function:
    """A step as a function of the value before."""
    return compiled(source_of("step", [step]), "step")
