"""What a training has consumed so far, and when it solved what for the first time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reachgym.envs.types import JSON
from reachgym.rollout.trajectory import Trajectory

_SPENT = (
    "updates",
    "episodes",
    "verifier_calls",
    "tool_calls",
    "demonstrations",
    "sampled_tokens",
    "gradient_tokens",
    "learner_s",
    "rollout_s",
)


@dataclass(slots=True)
class Ledger:
    """Counts of one training; a mutable record that its stage keeps."""

    updates: int = 0
    episodes: int = 0
    verifier_calls: int = 0
    tool_calls: int = 0
    demonstrations: int = 0
    sampled_tokens: int = 0
    gradient_tokens: int = 0
    learner_s: float = 0.0
    rollout_s: float = 0.0
    curve: list[JSON] = field(default_factory=list)
    discovery: list[JSON] = field(default_factory=list)
    _tried: dict[str, set[str]] = field(default_factory=dict)
    _solved: dict[str, set[str]] = field(default_factory=dict)

    def count_rollouts(self, trajectories: Sequence[Trajectory], seconds: float) -> None:
        """Add attempts that were made."""
        self.rollout_s += seconds
        self.episodes += len(trajectories)
        for trajectory in trajectories:
            self.verifier_calls += trajectory.verdict.passed is not None
            self.tool_calls += trajectory.usage.tool_calls
            self.sampled_tokens += trajectory.usage.action_tokens

    def count_update(self, metrics: Mapping[str, float], seconds: float) -> None:
        """Add an update of the model."""
        self.updates += 1
        self.learner_s += seconds
        self.gradient_tokens += int(metrics.get("tokens", 0))

    def mark(self, update: int, trajectories: Sequence[Trajectory]) -> None:
        """Note how often each family was solved at this update, and which tasks first here."""
        tried: Counter[str] = Counter(t.family for t in trajectories)
        solved: Counter[str] = Counter(t.family for t in trajectories if t.verdict.passed)
        for trajectory in trajectories:
            self._tried.setdefault(trajectory.family, set()).add(trajectory.task_id)
            if trajectory.verdict.passed:
                self._solved.setdefault(trajectory.family, set()).add(trajectory.task_id)
        for family in sorted(tried):
            place: dict[str, JSON] = {"update": update, "family": family}
            rate = solved[family] / tried[family]
            self.curve.append({**place, "success": rate, "n": tried[family]})
            ever = len(self._solved.get(family, ()))
            self.discovery.append(
                {**place, "solved_tasks": ever, "tried_tasks": len(self._tried[family])}
            )

    def record(self) -> dict[str, JSON]:
        """What a stage keeps of it."""
        spent: dict[str, JSON] = {name: getattr(self, name) for name in _SPENT}
        return {**spent, "curve": self.curve, "discovery": self.discovery}
