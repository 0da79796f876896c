"""The environment: turn semantics of an agent that acts through tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import gymnasium

from reachgym.envs.boundary import guarded, judged
from reachgym.envs.errors import ActionError, EpisodeError, InputError
from reachgym.envs.information import told, worked_on
from reachgym.envs.milestones import Milestones, count_reached, no_milestones
from reachgym.envs.record import Record, Snapshot
from reachgym.envs.sandbox.protocol import Sandbox
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.spaces import ConversationSpace, MessageSpace
from reachgym.envs.taskset import Taskset, choose_task
from reachgym.envs.tools.base import Tool, Toolbox, WorkspaceTool
from reachgym.envs.types import (
    Budget,
    Information,
    Message,
    StopReason,
    Task,
    ToolCall,
    ToolResult,
    ToolSpec,
    Verdict,
)
from reachgym.envs.verifier import Verifier, exact_match
from reachgym.envs.workspace import Workspace

Info: TypeAlias = dict[str, Any]
Observation: TypeAlias = tuple[Message, ...]


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
    end), `stop_reason` (`StopReason`, None before the end) and `milestones` (how many are reached).
    The gold answer is in neither side before the end; at the end a verdict's explanation may tell
    it.

    What runs a call (`run_call`), what scores an episode (`verifier`) and what tools tell
    (`information`) can be replaced between episodes, e.g. by what answers from a record;
    `milestones` tells those of a task.
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
        information: Information = "full",
        milestones: Milestones = no_milestones,
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
            information: What tools tell. `full`: of the task. `withheld`: nothing; tools that
                inform answer `-`, and the task's files are not there. `shuffled`: of another task
                of the same split, in whose workspace they run.
            milestones: What every success on a task passes, in order.
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
        self.information = information
        made = [_bound(item, self._workspace) for item in tools]
        self._tools = [told(item, lambda: self.information) for item in made]
        self._max_result_chars = max_result_chars
        self._toolbox = Toolbox(self._tools, max_result_chars)
        self.run_call: Callable[[ToolCall], ToolResult] = self._toolbox.call
        self.verifier = verifier
        self.milestones = milestones
        self._system_prompt = system_prompt
        self._over = True
        self._record: Record | None = None

    @property
    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """The tools offered to the agent."""
        return self._toolbox.specs

    @property
    def sandbox_level(self) -> str | None:
        """The isolation at which code of this or the last episode ran; None if none did."""
        return self._workspace.level

    @property
    def under_way(self) -> bool:
        """Whether an episode has begun and is not over."""
        return not self._over

    @property
    def task(self) -> Task:
        """The task of the current or last episode."""
        return self._played.task

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
        task = choose_task(self.taskset, options or {}, self.np_random)
        worked = worked_on(task, self.taskset, self.information)
        self._workspace.begin(worked, self.information)
        opening = [Message("system", self._system_prompt)] if self._system_prompt else []
        opening.append(Message("user", task.prompt))
        self._record = Record(task, opening)
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
        record = self._played
        record.turns += 1
        record.messages.append(action)
        if not action.tool_calls:
            return self._end((), StopReason.ANSWERED, action.content)
        results, all_run = self._call(action.tool_calls)
        replies = tuple(Message("tool", r.content, tool_call_id=r.call_id) for r in results)
        record.messages.extend(replies)
        if not all_run:
            return self._end(replies, StopReason.TOOL_CALLS, None, results)
        if self.budget.turns is not None and record.turns >= self.budget.turns:
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

    def snapshot(self) -> Snapshot:
        """The episode as it is between two turns; whoever takes it closes it.

        Raises:
            EpisodeError: There is no episode under way.
            SandboxError: A session is open that cannot be branched.
        """
        if self._over:
            raise EpisodeError("there is no episode to take a snapshot of; call reset() first")
        return Snapshot(self._played.copy(), self._workspace.snapshot())

    def restore(self, snapshot: Snapshot) -> tuple[Observation, Info]:
        """Go on from a snapshot of this environment, or of one like it in this process.

        Returns:
            All messages so far, the agent's included, and `info` as `reset` gives it.

        Raises:
            SandboxError: The snapshot's session cannot be branched.
        """
        self._over = True
        self._workspace.restore(snapshot.place)
        self._record = snapshot.record.copy()
        self._over = False
        return tuple(self._record.messages), self._info()

    def offer(self, tools: Sequence[str]) -> None:
        """Offer only some of the environment's tools, from the next episode on.

        Raises:
            InputError: The environment has no such tool.
        """
        self.close()
        had = {tool.spec.name: tool for tool in self._tools}
        for name in tools:
            if name not in had:
                known = ", ".join(had) or "none"
                raise InputError(f"the tools to choose from are: {known}; got '{name}'")
        self._toolbox = Toolbox([had[name] for name in tools], self._max_result_chars)
        self.run_call = self._toolbox.call

    def close(self) -> None:
        """End the episode and what it holds open; a reset begins another one."""
        self._over = True
        self._workspace.end()

    def render(self) -> str | None:
        """The conversation so far, as text."""
        if self.render_mode is None:
            return None
        return self._record.text() if self._record else ""

    @property
    def _played(self) -> Record:
        if self._record is None:
            raise EpisodeError("there is no task yet; call reset() first")
        return self._record

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
        run = self._played.results
        all_run = True
        for call in calls:
            if self.budget.tool_calls is not None and len(run) >= self.budget.tool_calls:
                text = f"not run: the budget of {self.budget.tool_calls} tool calls is spent"
                results.append(ToolResult(call.id, text, error=True))
                all_run = False
                continue
            result = guarded("tool", partial(self.run_call, call))
            results.append(result)
            run.append(result)
        return tuple(results), all_run

    def _end(
        self,
        replies: Observation,
        reason: StopReason,
        answer: str | None,
        results: tuple[ToolResult, ...] = (),
    ) -> tuple[Observation, float, bool, bool, Info]:
        # What is reached may be read off the session, which ends with the verdict.
        reached = self.reached
        verdict = self._judge(answer)
        info = self._told(results, verdict, reason, reached)
        return replies, verdict.reward or 0.0, not reason.truncated, reason.truncated, info

    def _judge(self, answer: str | None) -> Verdict:
        verdict = judged(self.verifier, self._played.attempt(answer, self._workspace))
        self._workspace.end()
        return verdict

    def _info(self, results: tuple[ToolResult, ...] = ()) -> Info:
        return self._told(results, None, None, self.reached)

    def _told(
        self,
        results: tuple[ToolResult, ...],
        verdict: Verdict | None,
        reason: StopReason | None,
        reached: int,
    ) -> Info:
        return {
            "task_id": self.task.id,
            "results": results,
            "verdict": verdict,
            "stop_reason": reason,
            "milestones": reached,
        }

    @property
    def reached(self) -> int:
        """How many of its task's milestones the episode has reached."""
        milestones = self.milestones(self.task)
        if not milestones:
            return 0
        return count_reached(milestones, self._played.attempt(None, self._workspace))


def _bound(item: Tool | WorkspaceTool, workspace: Workspace) -> Tool:
    made = item if isinstance(item, Tool) else item(workspace)
    if not isinstance(made, Tool):
        raise InputError(f"tools are functions under @tool; got {item!r} without it")
    return made
