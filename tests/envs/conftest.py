"""A small environment with tools that work, refuse and break, and words to speak to it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from reachgym.envs import Budget, Message, Task, ToolCall, ToolEnv, tool
from reachgym.envs.errors import SandboxError, ToolError
from reachgym.envs.taskset import ListTaskset


@pytest.fixture
def heard() -> list[str]:
    """What the tools were called with, in order."""
    return []


@pytest.fixture
def tools(heard):
    @tool
    def shout(text: str) -> str:
        """Write a text in capitals.

        Args:
            text: What to write.
        """
        heard.append(text)
        return text.upper()

    @tool
    def refuse(text: str) -> str:
        """Refuse."""
        raise ToolError(f"no {text} today")

    @tool
    def crash() -> str:
        """Fail as a machine does."""
        raise OSError("the disk is gone")

    @tool
    def lose_sandbox() -> str:
        """Fail as a sandbox does."""
        raise SandboxError("it died")

    @tool
    def interrupted() -> str:
        """Be interrupted."""
        raise KeyboardInterrupt

    return [shout, refuse, crash, lose_sandbox, interrupted]


@pytest.fixture
def tasks() -> list[Task]:
    return [Task(f"t{i}", f"What follows {i}?", f"gold-{i}") for i in range(20)]


@pytest.fixture
def make_env(tools, tasks) -> Callable[..., ToolEnv]:
    def make(budget: Budget | None = None, **kwargs) -> ToolEnv:
        return ToolEnv(ListTaskset(tasks), tools=tools, budget=budget or Budget(), **kwargs)

    return make


@pytest.fixture
def say() -> SimpleNamespace:
    """`say.answer("text")` and `say.calls(("shout", {"text": "a"}), ...)`."""

    def calls(*wanted: tuple, content: str = "") -> Message:
        made = tuple(ToolCall(f"c{n}", name, given) for n, (name, given) in enumerate(wanted))
        return Message("assistant", content, made)

    def shouts(*texts: str, content: str = "") -> Message:
        return calls(*(("shout", {"text": text}) for text in texts), content=content)

    return SimpleNamespace(
        answer=lambda text: Message("assistant", text), calls=calls, shouts=shouts
    )
