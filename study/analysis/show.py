"""Ten attempts worth reading, chosen by rule and not by eye."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reachgym.agents.protocol import TokenTally
from reachgym.envs.types import Task
from reachgym.rollout.trajectory import Trajectory, Turn
from reachgym.study.results import ShownCall, ShownTrajectory, ShownTurn


@dataclass(frozen=True, slots=True)
class Source:
    """Where attempts of one policy seed through one interface can be read."""

    policy: str
    seed: int
    interface: str
    read: Callable[[str], Iterator[Trajectory]]


def choose(
    sources: Sequence[Source], families: Sequence[str], tasks: Mapping[str, Task], limit: int
) -> list[ShownTrajectory]:
    """Up to `limit` attempts: per policy and family the first solved and the first unsolved.

    Families are taken in turn, so that every policy and every family is seen before any is seen
    twice.
    """
    found: list[tuple[tuple[int, int], ShownTrajectory]] = []
    for source_rank, source in enumerate(sources):
        for family_rank, family in enumerate(families):
            turn = (family_rank - source_rank) % len(families)
            for passed, why in ((True, "first attempt that solved it"), (False, "first failure")):
                trajectory = _first(source.read(family), passed)
                if trajectory is not None:
                    shown = show(trajectory, source, tasks[trajectory.key.task_hash], why)
                    found.append(((turn * 2 + (not passed), source_rank), shown))
    found.sort(key=lambda item: item[0])
    return [shown for _, shown in found[:limit]]


def _first(trajectories: Iterator[Trajectory], passed: bool) -> Trajectory | None:
    return next((t for t in trajectories if t.verdict.passed is passed), None)


def show(trajectory: Trajectory, source: Source, task: Task, why: str) -> ShownTrajectory:
    """An attempt as the report shows it."""
    return ShownTrajectory(
        policy=source.policy,
        seed=source.seed,
        interface=source.interface,
        family=trajectory.family,
        task=trajectory.task_id,
        prompt=task.prompt,
        gold=task.gold,
        turns=[_turn(turn) for turn in trajectory.turns],
        passed=trajectory.verdict.passed,
        reward=trajectory.verdict.reward,
        stop_reason=trajectory.stop_reason.value,
        explanation=trajectory.verdict.explanation,
        why_shown=why,
    )


def _turn(turn: Turn) -> ShownTurn:
    message = turn.completion.message
    answers = {reply.tool_call_id: reply.content for reply in turn.replies}
    errors = {result.call_id: result.error for result in turn.results}
    return ShownTurn(
        text=message.content,
        calls=[
            ShownCall(
                name=call.name,
                arguments=call.parse_error or json.dumps(dict(call.arguments), ensure_ascii=False),
                result=answers.get(call.id, ""),
                error=errors.get(call.id, False),
            )
            for call in message.tool_calls
        ],
        logprob=float(sum(turn.completion.logprobs)),
        tokens=TokenTally().after(turn.completion).sampled,
    )
