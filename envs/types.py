"""The values an episode is made of: messages, calls, tasks, verdicts and budgets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Split: TypeAlias = Literal["train", "validation", "held_out"]
Information: TypeAlias = Literal["full", "withheld", "shuffled"]

INFORMATION: tuple[Information, ...] = ("full", "withheld", "shuffled")
SPLITS: tuple[Split, ...] = ("train", "validation", "held_out")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One request of the agent to run a tool.

    Attributes:
        id: Unique within its episode; the answering tool message carries it.
        name: The tool's name as the agent wrote it; it may not exist.
        arguments: Parsed arguments; empty when `parse_error` is set.
        parse_error: What was wrong with the call's syntax, in words the agent can act on.
    """

    id: str
    name: str
    arguments: Mapping[str, JSON] = field(default_factory=dict)
    parse_error: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a conversation, in the roles every chat model knows.

    Attributes:
        role: Who speaks.
        content: What is said.
        tool_calls: What an assistant asks to run.
        tool_call_id: The call that a tool's message answers.
        reasoning: What a model thought, where its server tells that beside the content; no
            environment and no verifier is shown it.
    """

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What became of one call.

    Attributes:
        call_id: The id of the `ToolCall` it answers.
        content: The tool's output, or the error's text when `error` is true.
        error: The call failed in a way the agent caused and may read about.
        truncated: The output was longer than the tool's limit and was cut.
        seconds: Wall time the call took.
    """

    call_id: str
    content: str
    error: bool = False
    truncated: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the agent is told of it: the OpenAI function schema's parts."""

    name: str
    description: str
    parameters: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to solve. The gold answer never reaches the agent.

    Attributes:
        id: Unique within its family.
        prompt: What the agent is told.
        gold: What the verifier compares against.
        family: The kind of task, e.g. `"lookup-2"`.
        split: `train`, `validation` or `held_out`.
        files: Files placed in the agent's working directory, path to text.
        chance: Upper bound on the success probability of any policy that has no access to the
            task's information; a fresh b-bit secret gives `2**-b`.
        metadata: Whatever the verifier or the oracle needs besides; never shown to the agent.
    """

    id: str
    prompt: str
    gold: str
    family: str = "task"
    split: Split = "train"
    files: Mapping[str, str] = field(default_factory=dict)
    chance: float = 0.0
    metadata: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Sixteen hex digits of the SHA-256 of the task's whole content."""
        # Field by field: every attempt asks for it, and `asdict` copies deeply.
        fields = {
            "id": self.id,
            "prompt": self.prompt,
            "gold": self.gold,
            "family": self.family,
            "split": self.split,
            "files": dict(self.files),
            "chance": self.chance,
            "metadata": dict(self.metadata),
        }
        content = json.dumps(fields, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of an episode.

    Attributes:
        reward: Graded score, or None when the episode could not be scored.
        passed: Whether it counts as solved; None when unscored (infrastructure failed), never 0.
        explanation: Why, for a person.
        guess: The answer was right but the evidence that the family demands was missing.
    """

    reward: float | None
    passed: bool | None
    explanation: str = ""
    guess: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What one attempt may spend; None means unlimited.

    Attributes:
        turns: Assistant messages.
        action_tokens: Tokens sampled by the policy, over the whole episode.
        context_tokens: Length of the token history, observations included.
        tool_calls: Calls executed.
        wall_s: Seconds from the first turn on.
    """

    turns: int | None = None
    action_tokens: int | None = None
    context_tokens: int | None = None
    tool_calls: int | None = None
    wall_s: float | None = None


class StopReason(StrEnum):
    """Why an episode ended."""

    ANSWERED = "answered"
    TURNS = "turns"
    ACTION_TOKENS = "action_tokens"
    CONTEXT_TOKENS = "context_tokens"
    TOOL_CALLS = "tool_calls"
    WALL = "wall"
    FAILED = "failed"

    @property
    def truncated(self) -> bool:
        """Whether a budget, not the agent, ended the episode."""
        return self not in (StopReason.ANSWERED, StopReason.FAILED)
