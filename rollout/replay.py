"""A stored attempt played again: against its recorded tool results, or against the tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reachgym.envs.errors import InfrastructureError, InputError
from reachgym.envs.sandbox.protocol import Session
from reachgym.envs.tool_env import Info, ToolEnv
from reachgym.envs.types import (
    JSON,
    Budget,
    Message,
    StopReason,
    Task,
    ToolCall,
    ToolResult,
    Verdict,
)
from reachgym.envs.verifier import Attempt, Verifier
from reachgym.envs.workspace import State, Workspace
from reachgym.rollout.trajectory import Trajectory, Turn

# Ends that come about by stepping the environment; other budgets stop it from outside.
_BY_STEPPING = (StopReason.ANSWERED, StopReason.TURNS, StopReason.TOOL_CALLS)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that came out otherwise than it is stored.

    Attributes:
        turn: The turn, from 0 on; None for the opening.
        field: What of it, e.g. `"replies[0].content"` or `"verdict.passed"`.
        expected: As it is stored.
        got: As it came out.
    """

    turn: int | None
    field: str
    expected: JSON
    got: JSON


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one attempt.

    Attributes:
        differences: In the order in which they came up; play ends at one that leaves no way on.
        verdict: What the verifier says now, None if it said nothing.
        needs_workspace: The verifier asked for the place where the attempt's tools had run, which
            there is only where tools run.
    """

    differences: tuple[Difference, ...]
    verdict: Verdict | None = None
    needs_workspace: bool = False


def replay(trajectory: Trajectory, env: ToolEnv, task: Task, *, live: bool) -> Replayed:
    """Play the recorded completions of a scored attempt again, and compare what comes back.

    Seconds are not compared, nor is the verdict where there is none to be had without the
    attempt's workspace.

    Args:
        trajectory: The attempt; one that ended as a failure has no end to compare.
        env: Its environment, which is left as it was found.
        task: Its task.
        live: Run the tools; otherwise calls are answered with the recorded results.
    """
    answers, verifier = _Answers(), _Watched(env.verifier, has_session=live)
    found = env.run_call, env.verifier, env.budget
    env.verifier, env.budget = verifier, _budget_of(trajectory)
    if not live:
        env.run_call = answers.next
    try:
        return _Playback(trajectory, env, answers, verifier, live=live).play(task)
    finally:
        env.close()
        env.run_call, env.verifier, env.budget = found


class _RecordEndsError(Exception):
    """More calls were run than results are recorded."""


class _Answers:
    """The recorded results of a turn, in order."""

    def __init__(self) -> None:
        self.left: deque[ToolResult] = deque()

    def next(self, call: ToolCall) -> ToolResult:
        if not self.left:
            raise _RecordEndsError(f"no result is recorded for call '{call.id}'")
        return self.left.popleft()


class _NoTrace(Workspace):
    """A workspace in which no tool has run: code can be run in it, but nothing is found in it."""

    def __init__(self, inner: Workspace) -> None:
        super().__init__(inner.sandbox)
        self.begin(inner.task, inner.information)
        self.asked = False

    @property
    def state(self) -> State:
        raise self._refusal()

    def session(self) -> Session:
        raise self._refusal()

    def _refusal(self) -> InfrastructureError:
        self.asked = True
        return InfrastructureError("the verifier needs the workspace of the attempt's tools")


class _Watched:
    """A verifier, and whether it asked for what there is not."""

    def __init__(self, verifier: Verifier, *, has_session: bool) -> None:
        self._verifier = verifier
        self._has_session = has_session
        self.needs_workspace = False

    def __call__(self, attempt: Attempt) -> Verdict:
        if self._has_session:
            return self._verifier(attempt)
        workspace = _NoTrace(attempt.workspace)
        try:
            return self._verifier(replace(attempt, workspace=workspace))
        finally:
            # Whatever it made of the refusal, it judged without what it asked for.
            self.needs_workspace = workspace.asked


class _Playback:
    """One attempt on its way through its environment."""

    def __init__(
        self,
        trajectory: Trajectory,
        env: ToolEnv,
        answers: _Answers,
        verifier: _Watched,
        *,
        live: bool,
    ) -> None:
        self._trajectory = trajectory
        self._env = env
        self._answers = answers
        self._verifier = verifier
        self._live = live
        self._turn: int | None = None
        self._differences: list[Difference] = []

    def play(self, task: Task) -> Replayed:
        verdict: Verdict | None = None
        try:
            seed = self._trajectory.key.seed
            opening, _ = self._env.reset(seed=seed, options={"task": task})
            self._compare_messages("opening", self._trajectory.opening, opening)
            verdict = self._play_turns()
        except (InfrastructureError, InputError) as error:
            if not self._verifier.needs_workspace:
                self._differ("error", None, str(error))
        if self._verifier.needs_workspace:
            verdict = None
        if verdict is not None:
            self._compare_verdict(verdict)
        return Replayed(tuple(self._differences), verdict, self._verifier.needs_workspace)

    def _play_turns(self) -> Verdict | None:
        """Take every recorded turn; returns the verdict, or None if the end came elsewhere."""
        reason, last = self._trajectory.stop_reason, len(self._trajectory.turns) - 1
        for number, turn in enumerate(self._trajectory.turns):
            self._turn = number
            if number == last and not _was_stepped(turn, reason):
                break
            info = self._step(turn)
            expected = reason if number == last and reason in _BY_STEPPING else None
            if info["stop_reason"] is not expected:
                self._differ("stop_reason", expected, info["stop_reason"])
                return None
            if expected is not None:
                verdict: Verdict = info["verdict"]
                return verdict
        return self._env.stop(reason)

    def _step(self, turn: Turn) -> Info:
        self._answers.left = deque(turn.results)
        replies, reward, terminated, truncated, info = self._env.step(turn.completion.action)
        self._compare_messages("replies", turn.replies, replies)
        if self._live:
            self._compare_results(turn.results, info["results"])
        elif self._answers.left:
            run = len(turn.results) - len(self._answers.left)
            self._differ("results", f"{len(turn.results)} calls run", f"{run} calls run")
        if not (terminated or truncated) and reward != turn.reward:
            self._differ("reward", turn.reward, reward)
        return info

    def _compare_messages(
        self, name: str, stored: Sequence[Message], came: Sequence[Message]
    ) -> None:
        if len(stored) != len(came):
            self._differ(name, f"{len(stored)} messages", f"{len(came)} messages")
        for place, (expected, got) in enumerate(zip(stored, came, strict=False)):
            where = f"{name}[{place}]"
            self._compare(f"{where}.role", expected.role, got.role)
            self._compare(f"{where}.content", expected.content, got.content)
            self._compare(f"{where}.tool_call_id", expected.tool_call_id, got.tool_call_id)

    def _compare_results(self, stored: Sequence[ToolResult], came: Sequence[ToolResult]) -> None:
        # What a result says is what the reply says; calls that were not run have none stored.
        for place, (expected, got) in enumerate(zip(stored, came, strict=False)):
            self._compare(f"results[{place}].error", expected.error, got.error)
            self._compare(f"results[{place}].truncated", expected.truncated, got.truncated)

    def _compare_verdict(self, verdict: Verdict) -> None:
        stored = self._trajectory.verdict
        self._compare("verdict.reward", stored.reward, verdict.reward)
        self._compare("verdict.passed", stored.passed, verdict.passed)
        self._compare("verdict.guess", stored.guess, verdict.guess)
        self._compare("verdict.explanation", stored.explanation, verdict.explanation)

    def _compare(self, name: str, expected: JSON, got: JSON) -> None:
        if expected != got:
            self._differ(name, expected, got)

    def _differ(self, name: str, expected: JSON, got: JSON) -> None:
        self._differences.append(Difference(self._turn, name, expected, got))


def _budget_of(trajectory: Trajectory) -> Budget:
    """The budget that ends an attempt where it ended; what else it might have spent is unknown."""
    match trajectory.stop_reason:
        case StopReason.TURNS:
            return Budget(turns=len(trajectory.turns))
        case StopReason.TOOL_CALLS:
            return Budget(tool_calls=trajectory.usage.tool_calls)
    return Budget()


def _was_stepped(turn: Turn, reason: StopReason) -> bool:
    """Whether the environment took the last turn, or a budget cut it before."""
    if turn.completion.message.tool_calls:
        return bool(turn.replies)
    return reason is StopReason.ANSWERED
