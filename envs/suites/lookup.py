"""Lookup: follow one to three relations from a name to a name that only searching reveals."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache

from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.interface import (
    Interface,
    parse_interface,
    require_in_range,
    require_seed,
)
from reachgym.envs.suites.oracle import answer, call_tool, prompt_body, tool_outputs
from reachgym.envs.suites.world import DEPTH, NAME_LETTERS, RELATIONS, World, spell, world
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, Budget, Message, Split, Task, Verdict
from reachgym.envs.verifier import Attempt, Verifier

_LETTERS = range(3, 9)
DIFFICULTIES = range(1, DEPTH + 1)

# Far more than the hops any task needs; it ends the episode of an agent that never answers.
_BUDGET = Budget(turns=16)


class LookupTaskset:
    """Every way of `hops` relations from every start of a world, in an order drawn by hash.

    A task's gold name lies in the tree of its own start, so no fact serves two splits. Its
    chance is that of a name drawn from all that no other fact uses.
    """

    def __init__(self, source: World, hops: int) -> None:
        self.name = f"lookup-{hops}"
        self._world = source
        self._hops = hops

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
            # The entity stands last: right before every call stands the name to be looked up,
            # in the prompt as in a result, so that one habit serves every hop.
            prompt=f"L:{relations}/{start}",
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


@lru_cache(maxsize=64)
def _ways(seed: int, letters: int, hops: int, split: Split) -> tuple[tuple[str, str], ...]:
    """All `(start, relations)` of a split in an order drawn by hash."""
    chains = [""]
    for _ in range(hops):
        chains = [chain + relation for chain in chains for relation in RELATIONS]
    ways = [(start, chain) for start in world(seed, letters).starts[split] for chain in chains]
    return tuple(sorted(ways, key=lambda way: derive_seed("lookup", seed, *way)))


def judge_retrieved(attempt: Attempt) -> Verdict:
    """Passed when the answer is right and a search of this episode returned it.

    A right answer that was never retrieved is a guess, with reward 0.
    """
    verdict = judge_answer(attempt)
    if not verdict.passed or attempt.task.gold in _found(attempt):
        return verdict
    return _guess(f"{attempt.answer} is right, but no search returned it: a guess.")


def judge_shuffled(attempt: Attempt) -> Verdict:
    """Never passed: where no document shows its own text, no search is evidence for an answer.

    The gold name may still come back, under another fact's title; a right answer is then as much
    of a guess as any other.
    """
    verdict = judge_answer(attempt)
    if not verdict.passed:
        return verdict
    return _guess(f"{attempt.answer} is right, but texts were shuffled: a guess.")


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


def _verifier(offered: Interface) -> Verifier:
    if "search" not in offered.tools:
        return judge_answer
    return judge_shuffled if offered.information == "shuffled" else judge_retrieved


def _found(attempt: Attempt) -> set[str]:
    """Every line that a search returned; an error's text is no evidence, as it may echo."""
    calls = [call for message in attempt.messages for call in message.tool_calls]
    # Calls that the budget kept from running have no result; they are the last ones.
    executed = zip(calls, attempt.results, strict=False)
    return {
        line
        for call, result in executed
        if call.name == "search" and not result.error
        for line in result.content.splitlines()
    }


def make_lookup(
    difficulty: int = 1,
    world_seed: int = 0,
    interface: Mapping[str, JSON] | None = None,
    letters: int = NAME_LETTERS,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/Lookup-v0`.

    Args:
        difficulty: Relations to follow, 1 to 3.
        world_seed: Which world the facts are from.
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
    offered = parse_interface(interface, default=("search",))
    return ToolEnv(
        LookupTaskset(world(world_seed, letters), difficulty),
        tools=offered.build_tools(world_seed, letters),
        verifier=_verifier(offered),
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that searches for one fact after the other."""
    relations, _, start = prompt_body(messages).partition("/")
    found = tool_outputs(messages)
    if len(found) == len(relations):
        return answer(found[-1])
    name = found[-1] if found else start
    return call_tool(messages, "search", {"query": f"{name}/{relations[len(found)]}"})


def guess(prompt: str, rng: random.Random) -> str:
    """A uniform draw from all names of the start's length."""
    start = prompt.rpartition("/")[2]
    return spell(rng.getrandbits(63), len(start))
