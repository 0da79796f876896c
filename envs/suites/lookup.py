"""Lookup: follow one to three relations from a name to a name that only searching reveals."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial

from reachgym.envs.errors import TaskError
from reachgym.envs.milestones import Milestone, no_milestones
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
from reachgym.envs.suites.world import DEPTH, NAME_LETTERS, RELATIONS, World, spell, world
from reachgym.envs.suites.world_search import ENTRY, TOOLS, world_tools
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, Budget, Message, Split, Task, Verdict
from reachgym.envs.verifier import Attempt

DIFFICULTIES = range(1, DEPTH + 1)

_LETTERS = range(3, 9)
_TERSE = re.compile(r"L:(?P<relations>\w+)/(?P<start>\w+)")
_CHAT = re.compile(r"name `(?P<start>\w+)`.*?: (?P<relations>[\w, ]+)\.", re.DOTALL)

# Far more than the hops any task needs; it ends the episode of an agent that never answers.
_BUDGET = Budget(turns=16)


class LookupTaskset:
    """Every way of `hops` relations from every start of a world, in an order drawn by hash.

    A task's gold name lies in the tree of its own start, so no fact serves two splits. Its
    chance is that of a name drawn from all that no other fact uses.
    """

    def __init__(self, source: World, hops: int, text: Text = "chat") -> None:
        self.name = f"lookup-{hops}"
        self._world = source
        self._hops = hops
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        start, relations = _ways(self._world.seed, self._world.letters, self._hops, split)[index]
        path = self._world.follow(start, relations)
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=_prompt(start, relations, self._text),
            gold=path[-1],
            family=self.name,
            split=split,
            chance=self._world.chance,
            metadata={"world_seed": self._world.seed, "path": list(path)},
        )

    def size(self, split: Split) -> int:
        """How many tasks a split has."""
        check_split(split)
        return len(self._world.starts[split]) * int(len(RELATIONS) ** self._hops)


def _prompt(start: str, relations: str, text: Text) -> str:
    if text == "terse":
        # The entity stands last: right before every call stands the name to be looked up, in the
        # prompt as in a result, so that one habit serves every hop.
        return f"L:{relations}/{start}"
    return (
        f"A directory gives every name a value under each of the relations {', '.join(RELATIONS)}; "
        "a value is itself a name with an entry of its own. It can only be searched.\n"
        f"Begin at the name `{start}` and follow, in this order: {', '.join(relations)}. Follow "
        "every relation from the value that the one before it gave.\n"
        "Answer with the last value and nothing else."
    )


@lru_cache(maxsize=64)
def _ways(seed: int, letters: int, hops: int, split: Split) -> tuple[tuple[str, str], ...]:
    """All `(start, relations)` of a split in an order drawn by hash."""
    chains = [""]
    for _ in range(hops):
        chains = [chain + relation for chain in chains for relation in RELATIONS]
    ways = [(start, chain) for start in world(seed, letters).starts[split] for chain in chains]
    return tuple(sorted(ways, key=lambda way: derive_seed("lookup", seed, *way)))


def judge_retrieved(attempt: Attempt) -> Verdict:
    """Passed when the answer is right and searches of this episode returned the way to it.

    Every name on the way must have been returned, each no sooner than the one before it; a right
    answer without is a guess, with reward 0. Where texts are shuffled no search is evidence: the
    gold name may still come back, under another fact's title.
    """
    verdict = judge_answer(attempt)
    if not verdict.passed:
        return verdict
    if attempt.workspace.information == "shuffled":
        return _guess(f"{attempt.answer} is right, but texts were shuffled: a guess.")
    path = _path(attempt.task)
    retrieved = _retrieved(attempt)
    if retrieved == len(path):
        return verdict
    missing = path[retrieved]
    return _guess(f"{attempt.answer} is right, but no search returned {missing} in turn: a guess.")


def judge_answer(attempt: Attempt) -> Verdict:
    """Passed when the answer is the gold name; for agents that are offered no search."""
    gold = attempt.task.gold
    if attempt.answer is None:
        return Verdict(0.0, False, f"No answer before the budget ended; {gold} was asked for.")
    if attempt.answer.strip() != gold:
        return Verdict(0.0, False, f"The answer is {attempt.answer!r}; {gold} was asked for.")
    return Verdict(1.0, True, f"{gold} is right.")


def _guess(explanation: str) -> Verdict:
    return Verdict(0.0, False, explanation, guess=True)


def milestones(task: Task) -> Sequence[Milestone]:
    """Each name on the way, returned by a search no sooner than the one before it."""
    return [
        Milestone(f"hop {hop} retrieved", partial(_has_retrieved, hop))
        for hop in range(1, len(_path(task)) + 1)
    ]


def _has_retrieved(hops: int, attempt: Attempt) -> bool:
    return _retrieved(attempt) >= hops


def _retrieved(attempt: Attempt) -> int:
    """How many names of the way searches returned in turn, from the first on."""
    path = _path(attempt.task)
    retrieved = 0
    for names in _found(attempt):
        while retrieved < len(path) and path[retrieved] in names:
            retrieved += 1
    return retrieved


def _found(attempt: Attempt) -> Iterator[set[str]]:
    """The names that each search returned; an error's text is no evidence, as it may echo."""
    calls = [call for message in attempt.messages for call in message.tool_calls]
    # Calls that the budget kept from running have no result; they are the last ones.
    for call, result in zip(calls, attempt.results, strict=False):
        if call.name == "search" and not result.error:
            yield {line.rpartition(ENTRY)[2] for line in result.content.splitlines()}


def _path(task: Task) -> list[str]:
    path = task.metadata["path"]
    return [str(name) for name in path] if isinstance(path, list) else []


def make_lookup(
    difficulty: int = 1,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    letters: int = NAME_LETTERS,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/Lookup-v0`.

    Args:
        difficulty: Relations to follow, 1 to 3.
        world_seed: Which world the facts are from.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
        interface: Tools and information, by default search with full information.
        letters: Length of a name, 3 to 8.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, DIFFICULTIES[0], DIFFICULTIES[-1])
    require_in_range("letters", letters, _LETTERS[0], _LETTERS[-1])
    require_seed(world_seed)
    form = require_text(text)
    offered = parse_interface(interface, known=TOOLS, default=("search",))
    searched = "search" in offered.tools
    return ToolEnv(
        LookupTaskset(world(world_seed, letters), difficulty, form),
        tools=offered.chosen(world_tools(world_seed, form, letters)),
        verifier=judge_retrieved if searched else judge_answer,
        information=offered.information,
        milestones=milestones if searched else no_milestones,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that searches for one fact after the other."""
    start, relations = _asked(prompt_of(messages))
    found = [_value(output) for output in tool_outputs(messages)]
    if len(found) == len(relations):
        return answer(found[-1])
    name = found[-1] if found else start
    return call_tool(messages, "search", {"query": f"{name}/{relations[len(found)]}"})


def _asked(prompt: str) -> tuple[str, str]:
    """Start and relations."""
    match = _TERSE.match(prompt) or _CHAT.search(prompt)
    if match is None:
        raise TaskError(f"expected a lookup prompt, got {prompt!r}")
    return match["start"], match["relations"].replace(", ", "")


def _value(output: str) -> str:
    """The value of the best entry."""
    return output.partition("\n")[0].rpartition(ENTRY)[2]


def guess(prompt: str, rng: random.Random) -> str:
    """A uniform draw from all names of the start's length."""
    return spell(rng.getrandbits(63), len(_asked(prompt)[0]))


FAMILY = FamilyInfo(
    id="reachgym/Lookup-v0",
    name="lookup",
    description="Follow one to three relations from a name to a name that only searching reveals.",
    levels={1: "one relation", 2: "two relations", 3: "three relations"},
    tools=TOOLS,
    oracle=oracle,
    guess=guess,
    about=(
        "A world of facts is drawn by hash from its seed: every name has a value under each of "
        "three relations, and values are fresh names. No fact tells anything of another.\n\n"
        "**Chance.** A value is uniform over all names that the world does not use elsewhere: with "
        f"the default of {NAME_LETTERS} letters that is more than 20 bits.\n\n"
        "**Splits and worlds.** A hash of the start's name says whose split it is, in every world; "
        "every start has facts of its own. Another world seed gives other names and other facts."
        "\n\n"
        "**Evidence.** The searches of the episode must have returned every name on the way, one "
        "after the other; a right answer without that counts as a guess, with reward 0.\n\n"
        "**Milestones.** One for each hop: its value was retrieved, after those before it."
    ),
)
