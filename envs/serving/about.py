"""The JSON schemas of what a served environment takes and gives."""

from __future__ import annotations

from reachgym.envs.types import JSON

_TEXT: JSON = {"type": "string"}


def schema_of() -> dict[str, JSON]:
    """Schemas of actions, observations and states, as OpenEnv's `/schema` tells them."""
    call = _object({"id": _TEXT, "name": _TEXT, "arguments": {"type": "object"}}, ["id", "name"])
    message = _object(
        {"role": _TEXT, "content": _TEXT, "tool_call_id": {"type": ["string", "null"]}},
        ["role", "content"],
    )
    observation: dict[str, JSON] = {
        "messages": {"type": "array", "items": message},
        "tool_specs": {"type": "array", "items": {"type": "object"}},
        "terminated": {"type": "boolean"},
        "truncated": {"type": "boolean"},
        "info": {"type": "object"},
    }
    state: dict[str, JSON] = {
        "episode_id": {"type": ["string", "null"]},
        "step_count": {"type": "integer"},
        "task_id": {"type": ["string", "null"]},
        "under_way": {"type": "boolean"},
    }
    return {
        "action": _object({"content": _TEXT, "tool_calls": {"type": "array", "items": call}}, []),
        "observation": _object(observation, [key for key in observation if key != "tool_specs"]),
        "state": _object(state, list(state)),
    }


def _object(properties: dict[str, JSON], required: list[str]) -> JSON:
    return {
        "type": "object",
        "properties": properties,
        "required": list[JSON](required),
        "additionalProperties": False,
    }
