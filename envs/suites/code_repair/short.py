"""The terse form: an expression with one wrong step, and what it should give for one text."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from reachgym.envs.errors import TaskError
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.programs.drawing import Program, draw_program, draw_word
from reachgym.envs.suites.programs.languages import SHORT, fits
from reachgym.envs.suites.programs.steps import (
    Function,
    Kind,
    Step,
    compiled,
    expression_of,
    source_of,
)
from reachgym.envs.types import Split

HEAD = "M:"

_SHOWN = 3
_HIDDEN = 6
_ASKED = re.compile(rf"{HEAD}(.+)/(\w+)>(.+)")
_SEALED = re.compile(r"(.+)\+'([a-z]+)'|'([a-z]+)'\+(.+)")

Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A program, and what is shown of it.

    Attributes:
        program: What it should be.
        steps: What it is.
        given: An argument.
        expected: What the program should make of it.
    """

    program: Program
    steps: Steps
    given: str
    expected: str

    @property
    def prompt(self) -> str:
        """What the agent is told."""
        return f"{HEAD}{expression_of(self.steps)}/{self.given}>{self.expected}"


def draw_wrong(level: int, split: Split, *place: str | int) -> Wrong:
    """A program of `level` steps, one of them wrong, that one example sets right.

    Of all programs that differ from the shown one in one step, those that agree with the example
    agree with the program on all its inputs.
    """
    word = draw_word(split, *place)
    attempts = (_attempt(level, word, *place, attempt) for attempt in count())
    return next(wrong for wrong in attempts if wrong is not None)


def _attempt(level: int, word: str, *place: str | int) -> Wrong | None:
    program = draw_program(SHORT, level, word, place, shown=_SHOWN, hidden=_HIDDEN)
    rng = random.Random(derive_seed("wrong", *place))
    changed = sorted(_changed(program.steps), key=lambda _: rng.random())
    found = (_shown(program, steps) for steps in changed)
    return next((wrong for wrong in found if wrong is not None), None)


def _shown(program: Program, steps: Steps) -> Wrong | None:
    """The program with its first example, if it is to be told from the others by that."""
    if not (fits(program.steps) and fits(steps)):
        return None
    (given, expected), *_ = program.shown
    pairs = (*program.shown, *program.hidden)
    for other in _changed(steps):
        run = _runner(other)
        if run(given) == expected and any(run(value) != output for value, output in pairs):
            return None
    if _runner(steps)(given) == expected:
        return None
    return Wrong(program, steps, str(given), str(expected))


def mended(prompt: str) -> str:
    """The expression that differs from the prompt's in one step and does as the example says.

    Raises:
        TaskError: The prompt asks for none, or there is none.
    """
    asked = _ASKED.fullmatch(prompt)
    if asked is None:
        raise TaskError(f"expected an expression and an example, got {prompt!r}")
    expression, given, expected = asked.groups()
    for steps in _changed(steps_of(expression)):
        if _runner(steps)(given) == expected:
            return expression_of(steps)
    raise TaskError(f"no single step mends {prompt!r}")


def _changed(steps: Steps) -> Iterator[Steps]:
    """The programs that differ from one in one step, the seal apart."""
    for place, step in enumerate(steps[:-1]):
        for kind in SHORT.kinds:
            if kind is not step.kind:
                yield (*steps[:place], Step(kind), *steps[place + 1 :])


def _runner(steps: Steps) -> Function:
    return compiled(source_of("f", steps), "f")


def steps_of(expression: str) -> Steps:
    """The steps that `expression_of` made an expression of.

    Raises:
        TaskError: It did not make this one.
    """
    sealed = _SEALED.fullmatch(expression)
    if sealed is None:
        raise TaskError(f"expected a word at an end, got {expression!r}")
    behind, before = SHORT.seals["text"]
    inner, word, first_word, first_inner = sealed.groups()
    seal = Step(behind, (word,)) if word else Step(before, (first_word,))
    node = ast.parse(inner or first_inner, mode="eval").body
    steps: tuple[Step, ...] = (seal,)
    while not isinstance(node, ast.Name):
        kind, node = _peeled(node)
        steps = (Step(kind), *steps)
    return steps


def _peeled(node: ast.expr) -> tuple[Kind, ast.expr]:
    """The last step of an expression, and what it is done to."""
    for kind in SHORT.kinds:
        (line,) = Step(kind).lines
        template = ast.parse(line.removeprefix("x = "), mode="eval").body
        found = list(_holes(template, node))
        if len(found) == 1 and found[0] is not None:
            return kind, found[0]
    raise TaskError(f"expected a known step, got {ast.unparse(node)!r}")


def _holes(template: ast.AST, node: ast.AST) -> Iterator[ast.expr | None]:
    """What stands where the template has `x`; None where the two differ elsewhere."""
    if isinstance(template, ast.Name) and template.id == "x" and isinstance(node, ast.expr):
        yield node
        return
    ours, theirs = list(ast.iter_child_nodes(template)), list(ast.iter_child_nodes(node))
    if _itself(template) != _itself(node) or len(ours) != len(theirs):
        yield None
        return
    for one, other in zip(ours, theirs, strict=True):
        yield from _holes(one, other)


def _itself(node: ast.AST) -> tuple[object, ...]:
    """What a node says by itself, without its children."""
    plain = [v for _, v in ast.iter_fields(node) if isinstance(v, str | int | None)]
    return type(node), *plain
