"""What an answer that is no reply means: whether to ask again, when, and what to tell the user."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reachgym.agents.endpoint.allowances import wait_asked_s
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.envs.errors import (
    EndpointBusyError,
    EndpointError,
    EndpointRefusedError,
    EndpointReplyError,
    EndpointTimeoutError,
)

_LONGEST_QUOTE = 500
_OVERLOADED = frozenset({429, 503, 529})
_TOO_SLOW = frozenset({408, 504})
_PASSING = frozenset({409, 425})
_NOT_IMPLEMENTED = 501
# The words in which servers say that a request, or what it asks for, exceeds the model's context
# or the tokens that it may sample.
_TOO_LONG = re.compile(
    r"context[ _](length|size|window)|max_(completion_)?tokens\W* is too large", re.IGNORECASE
)
# Of the ways to exceed an allowance this one does not pass by waiting.
_UNPAID = "insufficient_quota"


@dataclass(frozen=True, slots=True)
class Fault:
    """An attempt that failed.

    Attributes:
        error: What the conversation gets if nothing comes after this attempt.
        retry: Whether the same request may succeed later.
        overloaded: Whether the server has more requests than it can serve.
        wait_s: How long the server asks to wait, if it does.
        too_long: Whether the conversation, or what was asked for, exceeds the model's context.
    """

    error: EndpointError
    retry: bool = True
    overloaded: bool = False
    wait_s: float | None = None
    too_long: bool = False


def fault_of_status(
    status: int,
    headers: Mapping[str, str],
    body: str,
    settings: EndpointSettings,
    redact: Callable[[str], str],
) -> Fault:
    """What an HTTP status other than 200 means.

    Args:
        status: The status.
        headers: The answer's headers.
        body: The answer's text.
        settings: What was asked, for the advice.
        redact: Takes out of a text what must not be told.
    """
    said = f"{settings.url} answered {status}: {_quote(redact(body))}"
    if status in _OVERLOADED and _UNPAID not in body:
        error: EndpointError = EndpointBusyError(said)
        return Fault(error, overloaded=True, wait_s=wait_asked_s(headers))
    if status in _TOO_SLOW:
        return Fault(EndpointTimeoutError(said), overloaded=True, wait_s=wait_asked_s(headers))
    if status in _PASSING or (status >= 500 and status != _NOT_IMPLEMENTED):
        return Fault(EndpointReplyError(said), wait_s=wait_asked_s(headers))
    too_long = status in (400, 413, 422) and bool(_TOO_LONG.search(body))
    error = EndpointRefusedError(f"{said}; {redact(_advice(status, headers, settings))}")
    return Fault(error, retry=False, too_long=too_long)


def _advice(status: int, headers: Mapping[str, str], settings: EndpointSettings) -> str:
    if 300 <= status < 400:
        target = headers.get("location", "").split("?")[0]
        return f"it redirects to {target!r}, and keys follow no redirect; set base_url to the goal"
    if status in (401, 403):
        if settings.api_key_env is None:
            return "it takes no request without a key; name the key's variable in api_key_env"
        return f"set the environment variable {settings.api_key_env} to a key that it takes"
    if status == 404:
        return f"check base_url and the model's name, {settings.model!r}; see GET /v1/models"
    if status == 429:
        return "the account has nothing left to spend; raise its quota"
    return f"change what it names, in `extra` or by another server than '{settings.server}'"


def _quote(body: str) -> str:
    """The server's message, on one line and not too long of it."""
    text = " ".join(_message(body).split())
    if len(text) > _LONGEST_QUOTE:
        text = text[:_LONGEST_QUOTE] + "…"
    return text or "nothing"


def _message(body: str) -> str:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    inner = value.get("error", value) if isinstance(value, dict) else value
    message = inner.get("message") if isinstance(inner, dict) else inner
    return message if isinstance(message, str) else body
