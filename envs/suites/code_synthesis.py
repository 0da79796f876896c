"""CodeSynthesis: write a function from a specification; tests that are not shown decide."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from itertools import count

from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.family import FamilyInfo
from reachgym.envs.suites.interface import (
    Text,
    parse_interface,
    require_in_range,
    require_seed,
    require_text,
)
from reachgym.envs.suites.oracle import answer, call_tool, prompt_of, tool_outputs
from reachgym.envs.suites.programs.drawing import (
    FEWEST_WORDS,
    WORD_LETTERS,
    Program,
    draw_program,
    draw_word,
)
from reachgym.envs.suites.programs.judging import (
    FUNCTION,
    hidden_tests,
    judge_expression,
    judge_function,
    told_call,
)
from reachgym.envs.suites.programs.languages import (
    ENGLISH,
    SHORT,
    fits,
    read_steps,
    spell_steps,
    told_letters,
)
from reachgym.envs.suites.programs.steps import PHRASES, expression_of, read_step, source_of
from reachgym.envs.suites.world import spell
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import WorkspaceTool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import JSON, Budget, Message, Split, Task

LEVELS: Mapping[int, str] = {
    1: "one step, and a word put at an end",
    2: "two steps, and the word",
    3: "three steps, and the word",
    4: "four steps, and the word",
}
TOOLS: Mapping[str, WorkspaceTool] = {"python": python_tool}

_BUDGET = Budget(turns=16)
_SHOWN = 3
_HIDDEN: Mapping[Text, int] = {"chat": 12, "terse": 6}
_HEAD = "F:"
_STEP = re.compile(r"^\d+\. (.*)$", re.MULTILINE)
_EXAMPLE = re.compile(rf"^{FUNCTION}\(.*\) == .*$", re.MULTILINE)


class CodeSynthesisTaskset:
    """Programs without end, each with a word of its own, whose hash says whose split it is.

    The last step puts the word at an end of the output, so programs that differ in the word alone
    agree on no input. The word is uniform over those of its split, whatever else is drawn: a
    policy that has not read it passes with a probability of at most one in their number, which is
    1,188,016 in the smallest split, more than `2**20`.
    """

    def __init__(self, world_seed: int, level: int, text: Text = "chat") -> None:
        self.name = f"code_synthesis-{level}"
        self._world_seed = world_seed
        self._level = level
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        program = self._draw(split, int(index))
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=_prompt(program, self._text),
            gold=_solution(program, self._text),
            family=self.name,
            split=split,
            chance=1 / FEWEST_WORDS,
            metadata={
                "world_seed": self._world_seed,
                **hidden_tests({FUNCTION: program}),
            },
        )

    def size(self, split: Split) -> None:
        """None: a split does not end."""
        check_split(split)

    def _draw(self, split: Split, index: int) -> Program:
        place = (self.name, self._world_seed, self._text, split, index)
        language = ENGLISH if self._text == "chat" else SHORT
        word = draw_word(split, *place)
        drawn = (
            draw_program(
                language,
                self._level,
                word,
                (*place, attempt),
                shown=_SHOWN,
                hidden=_HIDDEN[self._text],
            )
            for attempt in count()
        )
        if self._text == "chat":
            return next(drawn)
        return next(program for program in drawn if fits(program.steps))


def _solution(program: Program, text: Text) -> str:
    if text == "terse":
        return expression_of(program.steps)
    return source_of(FUNCTION, program.steps)


def _prompt(program: Program, text: Text) -> str:
    if text == "terse":
        return _HEAD + spell_steps(program.steps)
    takes = PHRASES[program.takes]
    return "\n".join(
        [
            f"Write a Python function `{FUNCTION}(x)`. Its argument is {takes}. Change it, each "
            "step on what the one before it gave, and return what the last one gives:",
            *(f"{number}. {step.sentence}" for number, step in enumerate(program.steps, 1)),
            "",
            "For example:",
            *(told_call(FUNCTION, *pair) for pair in program.shown),
            "",
            "It is judged by calls with other arguments. Answer with the Python code and nothing "
            "else.",
        ]
    )


def make_code_synthesis(
    difficulty: int = 1,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/CodeSynthesis-v0`.

    Args:
        difficulty: Steps of the program before its word, 1 to 4.
        world_seed: Which programs are drawn.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
        interface: Tools and information, by default python.
        sandbox: Where code is run and judged, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, min(LEVELS), max(LEVELS))
    require_seed(world_seed)
    form = require_text(text)
    offered = parse_interface(interface, known=tuple(TOOLS), default=tuple(TOOLS))
    return ToolEnv(
        CodeSynthesisTaskset(world_seed, difficulty, form),
        tools=offered.chosen(TOOLS),
        verifier=judge_expression if form == "terse" else judge_function,
        information=offered.information,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that writes what is told; a long program it tries first."""
    prompt = prompt_of(messages)
    if prompt.startswith(_HEAD):
        return answer(expression_of(read_steps(prompt.removeprefix(_HEAD))))
    steps = [read_step(sentence, ENGLISH.every) for sentence in _STEP.findall(prompt)]
    source = source_of(FUNCTION, steps)
    if not tool_outputs(messages):
        examples = ", ".join(_EXAMPLE.findall(prompt))
        return call_tool(messages, "python", {"code": f"{source}\nprint({examples})"})
    return answer(source)


def guess(prompt: str, rng: random.Random) -> str:
    """The shortest program of the asked form with any word behind."""
    word = spell(rng.getrandbits(63), WORD_LETTERS)
    if prompt.startswith(_HEAD):
        return f"x+'{word}'"
    return f"def {FUNCTION}(x):\n    return str(x) + '{word}'"


FAMILY = FamilyInfo(
    id="reachgym/CodeSynthesis-v0",
    name="code_synthesis",
    description="Write a Python function from its specification; hidden tests decide.",
    levels=LEVELS,
    tools=tuple(TOOLS),
    oracle=oracle,
    guess=guess,
    about=(
        "A program of several steps is told in words, with three examples: steps on texts, whole "
        "numbers and lists of them, among them conditionals, recurrences and small state machines. "
        "The last step puts a word into the output. Tests with other arguments call the answer's "
        "function in executions of their own, and their expected outputs never come near it. "
        "Programs are drawn until no steps in a row can be left out without changing an output "
        "of the tests, no single step does the same, and outputs differ. There is no reward for "
        "some of the tests.\n\n"
        "In the terse text `F:` is followed by a letter for each step, a sign and the word, and "
        "the answer is an expression of `x`: `F:u+abcde` asks for `x.upper()+'abcde'`. "
        f"{told_letters()}\n\n"
        "**Chance.** The word has five letters, drawn by hash, and stands at an end of every "
        "output; programs that differ in it alone agree on nothing. A program written without "
        "the word passes for one word at most of those of its split, 1,188,016 or more: less than "
        "`2**-20`.\n\n"
        "**Splits and worlds.** A hash of the word says whose split a program is, in every world; "
        "the splits do not end. Another world seed draws other programs.\n\n"
        "**Evidence.** None is asked for: nothing is hidden, and Python only helps to try.\n\n"
        "**Milestones.** None."
    ),
)
