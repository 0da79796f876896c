"""How servers of chat completions differ: the names and defaults of what they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reachgym.envs.errors import ConfigError
from reachgym.envs.types import JSON

if TYPE_CHECKING:
    from reachgym.agents.sampling import Decoding


class Server(StrEnum):
    """What answers at an endpoint.

    `OTHER` stands for hosted servers that know the fields every server knows.
    """

    OPENAI = "openai"
    VLLM = "vllm"
    SGLANG = "sglang"
    LLAMA_CPP = "llama.cpp"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one server's requests look like.

    Attributes:
        bound: The field that bounds the tokens of a reply.
        unlimited_top_k: The value of `top_k` that keeps every id; None where there is no such
            field.
        neutral: Switches off what the server, or the model's own configuration, would do to the
            distribution besides.
        tokens: Asks for token ids and their log-probabilities; empty where there are none.
        fixed_defaults: Temperature and top-p are 1 unless a request says otherwise, and some
            models take no request that says so.
        reasoning: The field of a message with calls that takes back what the model thought; None
            where there is none. vLLM passes only `reasoning` on to the chat template, SGLang and
            llama.cpp only `reasoning_content`, which DeepSeek's own server insists on.
    """

    bound: str = "max_tokens"
    unlimited_top_k: int | None = None
    neutral: Mapping[str, JSON] = field(default_factory=dict)
    tokens: Mapping[str, JSON] = field(default_factory=dict)
    fixed_defaults: bool = False
    reasoning: str | None = "reasoning_content"


_DIALECTS: Mapping[Server, Dialect] = {
    Server.OPENAI: Dialect(bound="max_completion_tokens", fixed_defaults=True, reasoning=None),
    Server.VLLM: Dialect(
        unlimited_top_k=-1,
        neutral={"min_p": 0.0, "repetition_penalty": 1.0},
        tokens={"return_token_ids": True, "logprobs": True},
        reasoning="reasoning",
    ),
    Server.SGLANG: Dialect(
        unlimited_top_k=-1,
        neutral={"min_p": 0.0, "repetition_penalty": 1.0},
        tokens={
            "return_input_ids_in_sglext": True,
            "return_output_ids_in_sglext": True,
            "logprobs": True,
        },
    ),
    Server.LLAMA_CPP: Dialect(unlimited_top_k=0, neutral={"min_p": 0.0, "repeat_penalty": 1.0}),
    Server.OTHER: Dialect(),
}


def dialect_of(server: Server) -> Dialect:
    """What a server's requests look like."""
    return _DIALECTS[server]


def sampling_fields(server: Server, decoding: Decoding | None) -> dict[str, JSON]:
    """The fields that make a server sample from a distribution, and give its tokens if it can.

    Tokens are asked for at temperature 1 with nothing cut off, where servers agree on what a
    log-probability is. Elsewhere some give those of the untempered model, which are not those of
    the distribution that was sampled.

    Args:
        server: Who is asked.
        decoding: The distribution; None for temperature 1 with nothing cut off.

    Raises:
        ConfigError: The server has no field for it.
    """
    dialect = dialect_of(server)
    temperature, top_p, top_k = 1.0, 1.0, None
    if decoding is not None:
        temperature, top_p, top_k = decoding.temperature, decoding.top_p, decoding.top_k
    fields: dict[str, JSON] = dict(dialect.neutral)
    if temperature != 1 or not dialect.fixed_defaults:
        fields["temperature"] = temperature
    if top_p != 1 or not dialect.fixed_defaults:
        fields["top_p"] = top_p
    if dialect.unlimited_top_k is not None:
        fields["top_k"] = dialect.unlimited_top_k if top_k is None else top_k
    elif top_k is not None:
        raise ConfigError(
            f"expected a decoding without top_k for the server '{server}', got top_k={top_k}; "
            "its requests have no such field, leave it None"
        )
    if (temperature, top_p, top_k) == (1.0, 1.0, None):
        fields.update(dialect.tokens)
    return fields
