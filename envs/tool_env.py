"""The environment: turn semantics of an agent that acts through tools."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

import gymnasium

from reachgym.envs.errors import (
    ActionError,
    EpisodeError,
    InfrastructureError,
    InputError,
)
from reachgym.envs.sandbox.protocol import Sandbox
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.spaces import ConversationSpace, MessageSpace
from reachgym.envs.taskset import Taskset, choose_task
from reachgym.envs.tools.base import Tool, Toolbox, WorkspaceTool
from reachgym.envs.types import (
    Budget,
    Message,
    StopReason,
    Task,
    ToolCall,
    ToolResult,
    ToolSpec,
    Verdict,
)
from reachgym.envs.verifier import Attempt, Verifier, exact_match
from reachgym.envs.workspace import Workspace

Info: TypeAlias = dict[str, Any]
Observation: TypeAlias = tuple[Message, ...]
ResultT = TypeVar("ResultT")


class ToolEnv(gymnasium.Env[Observation, Message]):
    """An episode is a conversation: messages out, assistant messages in, until an answer.

    An assistant message without tool calls is the final answer and ends the episode
    (`terminated`). A message with calls runs them in order; each is answered by one tool message,
    and text beside calls is never an answer. What the agent does wrong (an unknown tool, malformed
    arguments, a tool that refuses) is told to it in that message. A spent budget ends the episode
    as `truncated` and it is scored as it stands; `terminated` and `truncated` are never both true.

    Of the budget, turns and tool calls hold here; tokens and time are the rollout's to count,
    which ends the episode with `stop`. Calls past the budget are answered but not run. Where one
    turn spends both budgets, the stop reason is the tool calls.

    `info` is the trainer's side of a step and never shown to the agent: `task_id`, `results`
    (tuple of `ToolResult`, one for every call of the turn), `verdict` (`Verdict`, None before the
    end) and `stop_reason` (`StopReason`, None before the end). The gold answer is in neither side
    before the end; at the end a verdict's explanation may tell it.

    What runs a call (`run_call`) and what scores an episode (`verifier`) can be replaced between
    episodes, e.g. by what answers from a record.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - as gymnasium declares it

    def __init__(
        self,
        taskset: Taskset,
        *,
        tools: Sequence[Tool | WorkspaceTool] = (),
        verifier: Verifier = exact_match,
        budget: Budget = Budget(),
        system_prompt: str = "",
        max_result_chars: int = 4000,
        sandbox: Callable[[], Sandbox] = shared_sandbox,
        render_mode: str | None = None,
    ) -> None:
        """An environment over a taskset.

        Args:
            taskset: Where tasks come from.
            tools: What the agent may call; one that runs code is given the workspace.
            verifier: Scores the finished episode.
            budget: Turns and tool calls of one episode; an assigned one holds from the next reset.
            system_prompt: Opens every conversation, unless it is empty.
            max_result_chars: Longer tool results are cut in their middle.
            sandbox: Gives the sandbox in which tools and verifier run code, at each use.
            render_mode: `"ansi"` or None.

        Raises:
            InputError: Two tools share a name, or `max_result_chars` is too small.
        """
        self.taskset = taskset
        self.budget = budget
        self.render_mode = render_mode
        self.observation_space = ConversationSpace()
        self.action_space = MessageSpace("assistant")
        self._workspace = Workspace(sandbox)
        made = [item if isinstance(item, Tool) else item(self._workspace) for item in tools]
        self._toolbox = Toolbox(made, max_result_chars)
        self.run_call: Callable[[ToolCall], ToolResult] = self._toolbox.call
        self.verifier = verifier
        self._system_prompt = system_prompt
        self._task: Task | None = None
        self._over = True
        self._messages: list[Message] = []
        self._results: list[ToolResult] = []
        self._turns = 0

    @property
    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """The tools offered to the agent."""
        return self._toolbox.specs

    @property
    def sandbox_level(self) -> str | None:
        """The isolation at which code of this or the last episode ran; None if none did."""
        return self._workspace.level

    @property
    def task(self) -> Task:
        """The task of the current or last episode."""
        if self._task is None:
            raise EpisodeError("there is no task yet; call reset() first")
        return self._task

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Start an episode.

        Args:
            seed: Seeds the draw of a training task.
            options: `{"task": Task}`, or `{"split": ..., "index": ...}`, or nothing for a
                training task drawn at random.

        Raises:
            TaskError: The task cannot be posed, or there is no such split or index.
            InputError: An option is unknown, or the budget leaves no room for a turn.
        """
        super().reset(seed=seed)
        self._over = True
        if self.budget.turns is not None and self.budget.turns < 1:
            raise InputError(
                f"an episode needs a budget of at least one turn; got {self.budget.turns}"
            )
        self._task = choose_task(self.taskset, options or {}, self.np_random)
        self._workspace.begin(self._task.files)
        opening = [Message("system", self._system_prompt)] if self._system_prompt else []
        opening.append(Message("user", self._task.prompt))
        self._messages = opening
        self._results = []
        self._turns = 0
        self._over = False
        return tuple(opening), self._info()

    def step(self, action: Message) -> tuple[Observation, float, bool, bool, Info]:
        """Take the agent's turn.

        Raises:
            ActionError: The action is no assistant message.
            EpisodeError: The episode has not begun, or is over.
            InfrastructureError: A tool or the verifier failed by itself; reset before going on.
        """
        self._check(action)
        # Whatever is raised from here on, an interrupt included, leaves half a turn behind: the
        # episode goes on only if the turn was taken to its end.
        self._over = True
        self._turns += 1
        self._messages.append(action)
        if not action.tool_calls:
            return self._end((), StopReason.ANSWERED, action.content)
        results, all_run = self._call(action.tool_calls)
        replies = tuple(Message("tool", r.content, tool_call_id=r.call_id) for r in results)
        self._messages.extend(replies)
        if not all_run:
            return self._end(replies, StopReason.TOOL_CALLS, None, results)
        if self.budget.turns is not None and self._turns >= self.budget.turns:
            return self._end(replies, StopReason.TURNS, None, results)
        self._over = False
        return replies, 0.0, False, False, self._info(results)

    def stop(self, reason: StopReason) -> Verdict:
        """End the episode over a budget that the caller counts; it is scored as it stands.

        Raises:
            EpisodeError: There is no episode under way, or the reason is no budget.
            InfrastructureError: The verifier failed by itself.
        """
        if self._over:
            raise EpisodeError(f"there is no episode to stop ({reason}); call reset() first")
        if not reason.truncated:
            raise EpisodeError(f"only a budget stops an episode from outside; got '{reason}'")
        self._over = True
        return self._judge(None)

    def close(self) -> None:
        """End the episode and what it holds open; a reset begins another one."""
        self._over = True
        self._workspace.end()

    def render(self) -> str | None:
        """The conversation so far, as text."""
        if self.render_mode is None:
            return None
        return "\n".join(_line(message) for message in self._messages)

    def _check(self, action: object) -> None:
        if self._over:
            raise EpisodeError("the episode is over or has not begun; call reset() first")
        if action not in self.action_space:
            came = repr(action) if isinstance(action, Message) else type(action).__name__
            raise ActionError(
                "an action is a Message of role 'assistant', its content a str and its tool_calls "
                f"a tuple of ToolCall; got {came}"
            )

    def _call(self, calls: Sequence[ToolCall]) -> tuple[tuple[ToolResult, ...], bool]:
        """Run calls as far as the budget reaches; says whether all were run."""
        results: list[ToolResult] = []
        all_run = True
        for call in calls:
            if self.budget.tool_calls is not None and len(self._results) >= self.budget.tool_calls:
                text = f"not run: the budget of {self.budget.tool_calls} tool calls is spent"
                results.append(ToolResult(call.id, text, error=True))
                all_run = False
                continue
            result = _guard("tool", partial(self.run_call, call))
            results.append(result)
            self._results.append(result)
        return tuple(results), all_run

    def _end(
        self,
        replies: Observation,
        reason: StopReason,
        answer: str | None,
        results: tuple[ToolResult, ...] = (),
    ) -> tuple[Observation, float, bool, bool, Info]:
        verdict = self._judge(answer)
        info = self._info(results, verdict, reason)
        return replies, verdict.reward or 0.0, not reason.truncated, reason.truncated, info

    def _judge(self, answer: str | None) -> Verdict:
        attempt = Attempt(
            self.task, tuple(self._messages), tuple(self._results), answer, self._workspace
        )
        verdict = _guard("verifier", partial(self.verifier, attempt))
        self._workspace.end()
        if not isinstance(verdict, Verdict):
            raise InfrastructureError(
                f"a verifier must return a Verdict; got {type(verdict).__name__}"
            )
        if verdict.reward is None or verdict.passed is None:
            raise InfrastructureError(f"the attempt could not be scored: {verdict.explanation}")
        if not math.isfinite(verdict.reward):
            raise InfrastructureError(f"a reward must be finite; got {verdict.reward}")
        return verdict

    def _info(
        self,
        results: tuple[ToolResult, ...] = (),
        verdict: Verdict | None = None,
        reason: StopReason | None = None,
    ) -> Info:
        return {
            "task_id": self.task.id,
            "results": results,
            "verdict": verdict,
            "stop_reason": reason,
        }


def _guard(what: str, work: Callable[[], ResultT]) -> ResultT:
    """Run a tool or the verifier; whatever it raises is the infrastructure's failure."""
    try:
        return work()
    except InfrastructureError:
        raise
    except Exception as error:
        raise InfrastructureError(
            f"the {what} failed with {type(error).__name__}: {error}"
        ) from error


def _line(message: Message) -> str:
    calls = [f"[{call.name} {call.arguments}]" for call in message.tool_calls]
    return " ".join([f"{message.role}:", *([message.content] if message.content else []), *calls])
