"""The DataAnalysis family: its tasks, what counts as evidence, its oracle."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from itertools import count

from reachgym.envs.milestones import Milestone, no_milestones
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.data_analysis.questions import LEVELS, well_posed
from reachgym.envs.suites.data_analysis.schemas import SCHEMAS, names_of
from reachgym.envs.suites.data_analysis.tables import (
    CODE_LETTERS,
    DUMP,
    draw_tables,
    files_of,
    pick,
)
from reachgym.envs.suites.data_analysis.wording import TABLES, asked_in, prompt_for, query_for
from reachgym.envs.suites.family import FamilyInfo
from reachgym.envs.suites.interface import (
    Text,
    parse_interface,
    require_in_range,
    require_seed,
    require_text,
)
from reachgym.envs.suites.oracle import answer, call_tool, prompt_of, tool_outputs
from reachgym.envs.suites.world import spell
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import WorkspaceTool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.tools.sql import bare_sql_tool, sql_tool
from reachgym.envs.types import JSON, Budget, Message, Split, Task, Verdict
from reachgym.envs.verifier import Attempt

TOOLS = ("sql", "python")

_BUDGET = Budget(turns=16)
_CHANCE = float(26) ** -CODE_LETTERS
_NO_SUCH_TOOL = "there is no tool 'sql'"


class DataAnalysisTaskset:
    """Tables without end about the names of a world, with a question about each.

    The answer is a code that stands beside a name. Codes are uniform over all texts of their
    length, and independent of one another and of all else in the tables and the prompt: without
    the tables no policy does better than `26**-5`, whatever it has seen of other tasks.
    """

    def __init__(self, world_seed: int, level: int, text: Text = "chat") -> None:
        self.name = f"data_analysis-{level}"
        self._world_seed = world_seed
        self._level = level
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        return next(task for attempt in count() if (task := self._draw(split, int(index), attempt)))

    def size(self, split: Split) -> None:
        """None: a split does not end."""
        check_split(split)

    def _draw(self, split: Split, index: int, attempt: int) -> Task | None:
        """The task of one drawing of tables, if they answer a question."""
        place = (self.name, self._world_seed, self._text, split, index, attempt)
        schemas = SCHEMAS[self._text]
        names = {s: names_of(self._world_seed, self._text, s.entities, split) for s in schemas}
        tables = {s: draw_tables(names[s], *place, s.entities) for s in schemas}
        rng = random.Random(derive_seed("data-analysis", *place, "question"))
        schema = pick(schemas, rng)
        posed = well_posed(self._level, names[schema], tables[schema], rng)
        if posed is None:
            return None
        question, entity = posed
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=prompt_for(question, schema, self._text),
            gold=entity.code,
            family=self.name,
            split=split,
            files=files_of(tables, TABLES[self._level]),
            chance=_CHANCE,
            metadata={"world_seed": self._world_seed},
        )


def judge_found(attempt: Attempt) -> Verdict:
    """Passed when the answer is right and a tool of this episode returned it.

    A right answer that no tool returned, or only one that worked on another task's tables, is a
    guess, with reward 0.
    """
    verdict = judge_answer(attempt)
    if not verdict.passed or _found(attempt):
        return verdict
    explanation = f"{attempt.answer} is right, but no tool returned it from the tables: a guess."
    return Verdict(0.0, False, explanation, guess=True)


def judge_answer(attempt: Attempt) -> Verdict:
    """Passed when the answer is the code asked for; for agents that are offered no tool."""
    gold = attempt.task.gold
    if attempt.answer is None:
        return Verdict(0.0, False, f"No answer before the budget ended; {gold} was asked for.")
    if attempt.answer.strip() != gold:
        return Verdict(0.0, False, f"The answer is {attempt.answer!r}; {gold} was asked for.")
    return Verdict(1.0, True, f"{gold} is right.")


def milestones(task: Task) -> Sequence[Milestone]:
    """That a tool returned the code; which queries lead there is the agent's affair."""
    del task
    return [Milestone("code found", _found)]


def _found(attempt: Attempt) -> bool:
    """Whether a tool returned the gold as a word, from the task's own tables."""
    if attempt.workspace.task.files != attempt.task.files:
        return False
    gold = attempt.task.gold
    # An error's text is no evidence: it may echo the call.
    return any(
        gold in re.findall(r"\w+", result.content) for result in attempt.results if not result.error
    )


def make_data_analysis(
    difficulty: int = 1,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/DataAnalysis-v0`.

    Args:
        difficulty: What is asked, 1 to 5: a row, an extreme of a group, a join, two joins, a
            window.
        world_seed: Which names and which tables there are.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
        interface: Tools and information, by default sql and python with full information.
        sandbox: Where queries and code are run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, min(LEVELS), max(LEVELS))
    require_seed(world_seed)
    form = require_text(text)
    offered = parse_interface(interface, known=TOOLS, default=TOOLS)
    tools: Mapping[str, WorkspaceTool] = {
        "sql": bare_sql_tool if form == "terse" else sql_tool,
        "python": python_tool,
    }
    return ToolEnv(
        DataAnalysisTaskset(world_seed, difficulty, form),
        tools=offered.chosen(tools),
        verifier=judge_found if offered.tools else judge_answer,
        milestones=milestones if offered.tools else no_milestones,
        information=offered.information,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that asks one query, by Python where sql is not offered."""
    outputs = tool_outputs(messages)
    query = query_for(*asked_in(prompt_of(messages)))
    if not outputs:
        return call_tool(messages, "sql", {"query": query})
    if outputs[-1].startswith(_NO_SUCH_TOOL):
        return call_tool(messages, "python", {"code": _program(query)})
    return answer(outputs[-1].rpartition("\n")[2])


def _program(query: str) -> str:
    """The query in Python, without the brackets that end a call in the terse syntax."""
    return (
        "import sqlite3\n"
        'tables = sqlite3.connect(":memory:")\n'
        f'tables.executescript(open("{DUMP}", encoding="utf-8").read())\n'
        f'print(*tables.execute("{query}").fetchone())'
    )


def guess(prompt: str, rng: random.Random) -> str:
    """A uniform draw from all codes."""
    del prompt
    return spell(rng.getrandbits(63), CODE_LETTERS)


FAMILY = FamilyInfo(
    id="reachgym/DataAnalysis-v0",
    name="data_analysis",
    description="Answer a question about generated tables with SQL or Python.",
    levels=LEVELS,
    tools=TOOLS,
    oracle=oracle,
    guess=guess,
    about=(
        "Up to three tables tell of named things: each has a group, a number and a code, and rows "
        "of another table refer to it and to a third. A question leads to one of them, whose code "
        "is the answer; whoever leaves half of the question out finds another one. The tables are "
        "an SQLite database for `sql`, and CSV files and SQL statements in Python's working "
        "directory.\n\n"
        "In the terse text the tables are `e(k,g,r,v)`, `f(k,i,n,d)` and `i(i,c,p)`. `D:v/KEY` "
        "asks for the `v` of a `k`; `D:+r/KEY` for that of the greatest `r` where `g` is the key, "
        "`D:-r/KEY` of the least; `n` stands for the total of `n`, `np2` for the total of `n*p` "
        "where `c` is the key, among those with 2 such rows or more, and `nd` for the greatest "
        "rise (`+`) or fall (`-`) of `n` from one `d` to the next.\n\n"
        "**Chance.** Codes are drawn by hash, uniform over all texts of five letters and "
        "independent of all else: `26**-5`, more than 23 bits.\n\n"
        "**Splits and worlds.** A hash of a name says whose split it is, in every world, and a "
        "table holds names of one split alone. Every task has tables of its own, so that no answer "
        "can be learnt by heart; the splits do not end. Another world seed gives other names and "
        "other tables.\n\n"
        "**Evidence.** A tool must have returned the code from the task's own tables; a right "
        "answer without that counts as a guess, with reward 0.\n\n"
        "**Milestones.** One: the code was returned. Nothing before it is necessary, since one "
        "query can do it all."
    ),
)
