"""One request to a search provider and what comes of it: results, or a fault."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from functools import cache

import httpx

from reachgym.envs.retrieval.web_providers import MalformedResultsError, WebHit, WebProvider
from reachgym.envs.retrieval.web_retries import wait_asked_s
from reachgym.envs.secret import Secret

_MOST_REPLY_BYTES = 4 * 2**20
_LONGEST_QUOTE = 300
# Servers that have too much to do, or that a proxy does not reach just now.
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that failed.

    Attributes:
        problem: What happened, without the key.
        retry: Whether the same request may succeed later.
        wait_s: How long the provider asks to wait, if it does.
    """

    problem: str
    retry: bool = True
    wait_s: float | None = None


class _TooMuchError(Exception):
    """A reply is longer, or takes longer, than any that makes sense."""


def ask(
    provider: WebProvider, secret: Secret | None, query: str, k: int, within_s: float
) -> list[WebHit] | Fault:
    """Search once. No redirect is followed, so that the key goes to the provider only.

    Faults are returned and never raised: an exception of the HTTP library holds the request, and
    with it the key.
    """
    question = provider.question(query, k)
    headers = {"accept": "application/json", "user-agent": "reachgym"}
    if secret is not None:
        headers[provider.key_header] = secret.in_header(provider.key_prefix)
    try:
        with (
            httpx.Client(verify=_tls(), timeout=within_s) as client,
            client.stream(
                question.method,
                provider.endpoint,
                params=question.params or None,
                json=question.body,
                headers=headers,
            ) as response,
        ):
            body = _read(response, time.monotonic() + within_s)
            status, received = response.status_code, dict(response.headers)
    except httpx.TimeoutException:
        return Fault(f"did not answer within {within_s:.3g} s")
    except (httpx.HTTPError, _TooMuchError) as error:
        return Fault(_clean(f"{type(error).__name__}: {error}", secret))
    if status != 200:
        return _fault_of_status(provider, status, received, _clean(_decoded(body), secret))
    return _hits(provider, body, secret)


def _read(response: httpx.Response, until_s: float) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _MOST_REPLY_BYTES:
            raise _TooMuchError(f"it sent more than {_MOST_REPLY_BYTES} bytes")
        if time.monotonic() > until_s:
            raise httpx.ReadTimeout("the whole reply took too long")
    return bytes(body)


def _hits(provider: WebProvider, body: bytes, secret: Secret | None) -> list[WebHit] | Fault:
    try:
        hits = provider.results(json.loads(body))
    except (ValueError, RecursionError):
        return Fault(_clean(f"sent what is no JSON: {_decoded(body)}", secret))
    except MalformedResultsError as error:
        return Fault(_clean(f"sent {error}", secret))
    return [
        WebHit(
            _redacted(hit.url, secret),
            hit.score,
            _redacted(hit.text, secret),
            _redacted(hit.title, secret),
        )
        for hit in hits
    ]


def _fault_of_status(
    provider: WebProvider, status: int, headers: dict[str, str], said: str
) -> Fault:
    problem = f"answered {status}: {said or 'nothing'}"
    if status in _PASSING:
        return Fault(problem, wait_s=wait_asked_s(headers))
    advice = provider.advice.get(status)
    if advice is None and status in (401, 403) and provider.key_env is not None:
        advice = f"set the environment variable {provider.key_env} to a key that it takes"
    elif advice is None and 300 <= status < 400:
        advice = "keys follow no redirect; set base_url to where it leads"
    return Fault(f"{problem}; {advice or 'check base_url'}", retry=False)


def _clean(text: str, secret: Secret | None) -> str:
    """What a server said, on one line, not too long of it, and without the key."""
    text = " ".join(_redacted(text, secret).split())
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _redacted(text: str, secret: Secret | None) -> str:
    return text if secret is None else secret.redact(text)


def _decoded(body: bytes) -> str:
    return body.decode("utf-8", "replace")


@cache
def _tls() -> ssl.SSLContext:
    """Loading the authorities takes longer than many a request."""
    return httpx.create_ssl_context()
