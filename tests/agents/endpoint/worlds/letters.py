"""A server's script in which every letter is a token, told as ids, as counts, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum

from loopback import Call, completion, entry_of, http, message_of

from reachgym.envs.types import Message


class Tell(Enum):
    IDS = "ids"
    COUNTS = "counts"
    NOTHING = "nothing"


def letters(answer: Callable[[Call], Message], tell: Tell) -> Callable[[Call], list[bytes]]:
    """Answers with a message, cut where the request's bound ends it; its end is a letter, too."""

    def script(call: Call) -> list[bytes]:
        prompt = "".join(map(written, call.body["messages"])) + "<assistant>"
        message = answer(call)
        sampled = written(entry_of(message) | {"role": "assistant"}).removeprefix("<assistant>")
        entry, finish = entry_of(message), "tool_calls" if message.tool_calls else "stop"
        bound = call.body.get("max_tokens", len(sampled))
        if bound < len(sampled):
            sampled, finish = sampled[:bound], "length"
            entry = {"content": sampled}
        body = completion(entry, finish)
        body["usage"] = {"prompt_tokens": len(prompt), "completion_tokens": len(sampled)}
        if tell is Tell.NOTHING:
            del body["usage"]
        if tell is Tell.IDS:
            body["prompt_token_ids"] = [ord(letter) for letter in prompt]
            body["choices"][0]["token_ids"] = [ord(letter) for letter in sampled]
            probs = [{"token": letter, "logprob": -1.0} for letter in sampled]
            body["choices"][0]["logprobs"] = {"content": probs}
        return [http(200, body)]

    return script


def written(entry: dict) -> str:
    """What the server's template makes of a message."""
    message = message_of(entry)
    calls = [[call.name, dict(call.arguments)] for call in message.tool_calls]
    return f"<{message.role}>{message.content}{json.dumps(calls) if calls else ''}\n"
