"""A text face for environments: strings in, strings out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import gymnasium

from reachgym.envs.errors import ActionError
from reachgym.envs.spaces import TextSpace
from reachgym.envs.tool_env import Info, Observation
from reachgym.envs.types import Message, ToolCall, ToolSpec
from reachgym.envs.wrappers.inner import tool_env_of

Parse: TypeAlias = Callable[[str, int], Message]

_HOW_TO_CALL = (
    'To call a tool, reply with nothing but {"name": ..., "arguments": {...}}; any other reply is '
    "the final answer. The tools:"
)


def parse_text(text: str, turn: int) -> Message:
    """The assistant message that a text means.

    A JSON object with the key `name` is a call, with its arguments under `arguments`. What begins
    like one and is none is a malformed call; anything else is the final answer.
    """
    bare = text.strip()
    try:
        content = json.loads(bare)
    except ValueError as error:
        if not bare.startswith('{"name"'):
            return Message("assistant", text)
        fault = f"this is no JSON object ({error}); {_HOW_TO_CALL.partition(';')[0]}"
        return _call(ToolCall(f"call_{turn}", "", parse_error=fault))
    if not isinstance(content, dict) or "name" not in content:
        return Message("assistant", text)
    return _call(ToolCall(f"call_{turn}", str(content["name"]), content.get("arguments", {})))


class TextWrapper(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """A `ToolEnv` for agents that read and write plain text.

    The opening holds the messages, and after them the tools with how to call them. Each later
    observation holds the tools' results, one after the other. `info` stays as it is.
    """

    def __init__(self, env: gymnasium.Env[Observation, Message], parse: Parse = parse_text) -> None:
        """Wrap an environment.

        Args:
            env: A `ToolEnv`, wrapped or not.
            parse: Makes the assistant message of a text and the number of its turn.

        Raises:
            InputError: There is no `ToolEnv` inside.
        """
        gymnasium.utils.RecordConstructorArgs.__init__(self, parse=parse)
        super().__init__(env)
        self._inner = tool_env_of("TextWrapper", env)
        self.observation_space = TextSpace()
        self.action_space = TextSpace()
        self._parse = parse
        self._turn = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start an episode, as `ToolEnv.reset` does."""
        opening, info = self.env.reset(seed=seed, options=options)
        self._turn = 0
        return "\n\n".join(
            [*(message.content for message in opening), *_tool_list(self._inner.tool_specs)]
        ), info

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:
        """Take the agent's turn, as `ToolEnv.step` does.

        Raises:
            ActionError: The action is no text.
        """
        if not isinstance(action, str):
            raise ActionError(f"an action is a str here; got {type(action).__name__}")
        message = self._parse(action, self._turn)
        self._turn += 1
        replies, reward, terminated, truncated, info = self.env.step(message)
        text = "\n".join(reply.content for reply in replies)
        return text, float(reward), terminated, truncated, info


def _call(call: ToolCall) -> Message:
    return Message("assistant", tool_calls=(call,))


def _tool_list(specs: Sequence[ToolSpec]) -> list[str]:
    lines = [
        f"{spec.name}: {spec.description} Arguments: {json.dumps(spec.parameters)}"
        for spec in specs
    ]
    return ["\n".join([_HOW_TO_CALL, *lines])] if lines else []
