"""The CodeRepair family: its tasks, its oracle, what it says of itself."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping, Sequence

from reachgym.envs.milestones import no_milestones
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.code_repair.files import judge_files, milestones, repair_metadata
from reachgym.envs.suites.code_repair.packages import (
    CALL,
    Package,
    Shape,
    draw_package,
    function_tree,
)
from reachgym.envs.suites.code_repair.short import HEAD, draw_wrong, mended
from reachgym.envs.suites.family import FamilyInfo
from reachgym.envs.suites.interface import (
    Text,
    parse_interface,
    require_in_range,
    require_seed,
    require_text,
)
from reachgym.envs.suites.oracle import answer, call_tool, prompt_of, tool_outputs
from reachgym.envs.suites.programs.drawing import FEWEST_WORDS, WORD_LETTERS
from reachgym.envs.suites.programs.judging import FUNCTION, hidden_tests, judge_expression
from reachgym.envs.suites.programs.languages import ENGLISH
from reachgym.envs.suites.programs.steps import expression_of, read_step
from reachgym.envs.suites.world import spell
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import WorkspaceTool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.tools.session import session_python_tool, shell_tool
from reachgym.envs.types import JSON, Budget, Message, Split, Task

LEVELS: Mapping[int, str] = {
    1: "one function (terse: one step)",
    2: "a module of three functions (terse: two steps)",
    3: "two modules, one calling the other (terse: three steps)",
    4: "three modules, two bugs (terse: four steps, one of them wrong)",
}
TOOLS = ("shell", "python")

_SHAPES: Mapping[int, Shape] = {
    1: Shape(modules=1, functions=1, depth=2, bugs=1),
    2: Shape(modules=1, functions=3, depth=2, bugs=1),
    3: Shape(modules=2, functions=2, depth=2, bugs=1),
    4: Shape(modules=3, functions=2, depth=3, bugs=2),
}
_BUDGET = Budget(turns=24)
# The largest packages have some 7,000 characters, and shall be readable by one command.
_MAX_RESULT_CHARS = 12_000
_STEP = re.compile(r"^\d+\. (.*)$", re.MULTILINE)
_FILE = "#### "
_NO_SUCH_TOOL = "there is no tool 'python'"
_READ = f"""import pathlib
for path in sorted(pathlib.Path().glob("kit_*/*.py")):
    print("{_FILE}" + str(path))
    print(path.read_text())"""


class CodeRepairTaskset:
    """Packages, or expressions, without end, with bugs that tests tell.

    What is asked for is a program that puts a word into its output, uniform over the words of its
    split whatever else is drawn. Who has not read the word, which stands in the files or in the
    terse prompt, passes with a probability of at most one in their number, 1,188,016 or more.
    """

    def __init__(self, world_seed: int, level: int, text: Text = "chat") -> None:
        self.name = f"code_repair-{level}"
        self._world_seed = world_seed
        self._level = level
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        place = (self.name, self._world_seed, self._text, split, int(index))
        if self._text == "terse":
            return self._terse(split, int(index), place)
        package = draw_package(_SHAPES[self._level], split, *place)
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=_prompt(package),
            gold=", ".join(sorted(package.bugs)),
            family=self.name,
            split=split,
            files=package.files,
            chance=1 / FEWEST_WORDS,
            metadata={"world_seed": self._world_seed, **repair_metadata(package)},
        )

    def size(self, split: Split) -> None:
        """None: a split does not end."""
        check_split(split)

    def _terse(self, split: Split, index: int, place: tuple[str | int, ...]) -> Task:
        wrong = draw_wrong(self._level, split, *place)
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=wrong.prompt,
            gold=expression_of(wrong.program.steps),
            family=self.name,
            split=split,
            chance=1 / FEWEST_WORDS,
            metadata={"world_seed": self._world_seed, **hidden_tests({FUNCTION: wrong.program})},
        )


def _prompt(package: Package) -> str:
    if len(package.bugs) == 1:
        bugs = "a bug: one function does not do what its docstring says. Find and repair it."
        names = "name of the function that you repaired"
    else:
        bugs = (
            f"bugs: {len(package.bugs)} functions do not do what their docstrings say. Find and "
            "repair them."
        )
        names = "names of the functions that you repaired"
    return (
        f"The package `{package.name}` in the working directory has {bugs} The docstrings are "
        "right. `python3 tests.py` runs a few tests.\n\n"
        f"Other tests of all functions decide, on these files as you leave them: "
        f"{', '.join(package.modules)}. When you are done, answer with the {names}."
    )


def make_code_repair(
    difficulty: int = 1,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/CodeRepair-v0`.

    In the chat text `python` and `shell` work in one session, and its files are judged. In the
    terse text the answer is judged, and each call of `python` starts afresh.

    Args:
        difficulty: Size of the package and number of bugs, 1 to 4; steps of a terse expression.
        world_seed: Which packages are drawn.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
        interface: Tools and information, by default shell and python with full information.
        sandbox: Where code is run and judged, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, min(LEVELS), max(LEVELS))
    require_seed(world_seed)
    form = require_text(text)
    terse = form == "terse"
    offered = parse_interface(interface, known=TOOLS, default=("python",) if terse else TOOLS)
    tools: Mapping[str, WorkspaceTool] = {
        "shell": shell_tool,
        "python": python_tool if terse else session_python_tool,
    }
    return ToolEnv(
        CodeRepairTaskset(world_seed, difficulty, form),
        tools=offered.chosen(tools),
        verifier=judge_expression if terse else judge_files,
        milestones=no_milestones if terse else milestones,
        information=offered.information,
        budget=_BUDGET,
        max_result_chars=_MAX_RESULT_CHARS,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that writes anew what differs from its docstring."""
    prompt = prompt_of(messages)
    if prompt.startswith(HEAD):
        return answer(mended(prompt))
    outputs = tool_outputs(messages)
    shell = any(output.startswith(_NO_SUCH_TOOL) for output in outputs)
    outputs = [output for output in outputs if not output.startswith(_NO_SUCH_TOOL)]
    if not outputs:
        return _python(messages, _READ, shell)
    files, names = _repaired(outputs[0])
    if len(outputs) == 1 and files:
        written = "\n".join(
            f"pathlib.Path({path!r}).write_text({text!r})" for path, text in files.items()
        )
        return _python(messages, f"import pathlib\n{written}", shell)
    return answer(", ".join(sorted(names)) or "There is no bug.")


def _python(messages: Sequence[Message], code: str, shell: bool) -> Message:
    if shell:
        return call_tool(messages, "shell", {"command": f"python3 - <<'END'\n{code}\nEND"})
    return call_tool(messages, "python", {"code": code})


def _repaired(listing: str) -> tuple[dict[str, str], list[str]]:
    """The files that have to be written anew, and the names of the functions that differed."""
    files: dict[str, str] = {}
    names: list[str] = []
    for part in listing.split(_FILE)[1:]:
        path, _, text = part.partition("\n")
        tree = ast.parse(text)
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        wrong = [function.name for function in functions if _corrects(function)]
        if wrong:
            files[path] = ast.unparse(tree) + "\n"
            names += wrong
    return files, names


def _corrects(function: ast.FunctionDef) -> bool:
    """Make a function do what its docstring says; tells whether it did something else."""
    told = _STEP.findall(ast.get_docstring(function) or "")
    steps = tuple(read_step(sentence, (CALL, *ENGLISH.every)) for sentence in told)
    right = function_tree(function.name, steps).body
    docstring, *body = function.body
    if [ast.dump(s) for s in body] == [ast.dump(s) for s in right]:
        return False
    function.body = [docstring, *right]
    return True


def guess(prompt: str, rng: random.Random) -> str:
    """A short expression with any word, or any name: without the files nothing can be repaired."""
    word = spell(rng.getrandbits(63), WORD_LETTERS)
    return f"x+'{word}'" if prompt.startswith(HEAD) else f"make_{word}"


FAMILY = FamilyInfo(
    id="reachgym/CodeRepair-v0",
    name="code_repair",
    description="Find and repair bugs in a small package; hidden tests decide.",
    levels=LEVELS,
    tools=TOOLS,
    oracle=oracle,
    guess=guess,
    about=(
        "A package of one to three modules lies in the working directory, with tests that tell "
        "some of what is wrong. Its functions are programs of several steps, and their docstrings "
        "say exactly what they should do. One or two of them have a bug: a wrong operator or "
        "comparison, a number off by one, swapped operands, a wrong function or variable, a "
        "missing branch or statement. A bug raises no exception; it changes an output of the tests "
        "that are there and two at least of those that are not, so that none is without effect.\n\n"
        "The agent works by shell and Python in one session. At the end the modules are read from "
        "it as text, and tests of all functions, the sound ones too, call them in executions of "
        "their own; what else was left in the session takes no part. The answer has to name the "
        "functions that had bugs. There is no reward for some of the tests.\n\n"
        "In the terse text there are no files: `M:x.upper()+'abcde'/kL>klabcde` shows an "
        "expression with one wrong step and what it should give for a text. Of all expressions "
        "with another step in one place, those that give it are right, and the answer is one of "
        "them.\n\n"
        "**Chance.** Every function puts a word of five letters, drawn by hash, at an end of its "
        "output. Without having read it, in the files or in the terse prompt, a policy passes for "
        "one word at most of those of the split, 1,188,016 or more: less than `2**-20`. A program "
        "that repairs by trying changes until the tests pass has read the files.\n\n"
        "**Splits and worlds.** A hash of each word and name says whose split it is, in every "
        "world; the splits do not end. Another world seed draws other packages.\n\n"
        "**Evidence.** The repaired files; the right names without a call of a tool are a guess, "
        "with reward 0. With information withheld there are no files; shuffled, there is another "
        "task's package. The terse text hides nothing.\n\n"
        "**Milestones.** One, in the chat text: a module with a bug was changed."
    ),
)
