"""Stored attempts scored by the verifier of today; nothing is sampled again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reachgym.envs.types import StopReason, Verdict
from reachgym.rollout.rebuild import Place
from reachgym.rollout.replay import replay
from reachgym.rollout.trajectory import Failure, Trajectory


@dataclass(frozen=True, slots=True)
class Rescored:
    """An attempt with its new verdict.

    Attributes:
        trajectory: The attempt as it is to be stored; a failure if there is no verdict.
        live: Whether its tools were run again, as the verifier looks at what they left behind.
        differs: Whether they answered otherwise than they did then.
    """

    trajectory: Trajectory
    live: bool = False
    differs: bool = False


def rescore(trajectory: Trajectory, place: Place) -> Rescored:
    """Have the environment's verifier judge a stored attempt.

    It sees the conversation and the results as they are stored. Only if it asks for the workspace
    in which the attempt's tools had run are the calls run again.

    Args:
        trajectory: The attempt, none that ended as a failure.
        place: Its environment and its task.
    """
    played = replay(trajectory, place.env, place.task, live=False)
    live = played.needs_workspace
    if live:
        played = replay(trajectory, place.env, place.task, live=True)
    differs = live and any(not found.field.startswith("verdict.") for found in played.differences)
    stored = replace(trajectory, env=place.ref.text)
    if played.verdict is not None:
        return Rescored(_with_verdict(stored, played.verdict), live, differs)
    last = played.differences[-1]
    why = Failure("RescoreError", f"turn {last.turn}: {last.field}: {last.got}")
    unscored = Verdict(None, None, f"{why.kind}: {why.message}")
    failed = replace(_with_verdict(stored, unscored), stop_reason=StopReason.FAILED, failure=why)
    return Rescored(failed, live, differs)


def _with_verdict(trajectory: Trajectory, verdict: Verdict) -> Trajectory:
    turns = trajectory.turns
    if turns:
        turns = (*turns[:-1], replace(turns[-1], reward=verdict.reward or 0.0))
    return replace(trajectory, verdict=verdict, turns=turns)
