"""What happened in an episode so far, and moments of it to go on from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reachgym.envs.types import Message, Task, ToolResult
from reachgym.envs.verifier import Attempt
from reachgym.envs.workspace import Place, Workspace


@dataclass(slots=True)
class Record:
    """What was said and done in an episode.

    Attributes:
        task: The episode's task.
        messages: The conversation, its opening included.
        results: What every executed call returned, in order.
        turns: Turns taken.
    """

    task: Task
    messages: list[Message]
    results: list[ToolResult] = field(default_factory=list)
    turns: int = 0

    def attempt(self, answer: str | None, workspace: Workspace) -> Attempt:
        """What a verifier is to judge by."""
        return Attempt(self.task, tuple(self.messages), tuple(self.results), answer, workspace)

    def copy(self) -> Record:
        """A record that goes on by itself."""
        return replace(self, messages=list(self.messages), results=list(self.results))

    def text(self) -> str:
        """The conversation for a person, a line a message."""
        return "\n".join(_line(message) for message in self.messages)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An episode between two turns; `ToolEnv.restore` goes on from it, again and again.

    Attributes:
        record: What had happened.
        place: The workspace of that moment.
    """

    record: Record
    place: Place

    def close(self) -> None:
        """End what it keeps open; again does nothing."""
        self.place.close()


def _line(message: Message) -> str:
    calls = [f"[{call.name} {call.arguments}]" for call in message.tool_calls]
    return " ".join([f"{message.role}:", *([message.content] if message.content else []), *calls])
