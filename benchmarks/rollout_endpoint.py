"""A thousand turns at an endpoint that takes 20 ms for each, beside bare aiohttp.

    .venv/bin/python benchmarks/rollout_endpoint.py

The server is a process of its own, on loopback. Every round takes each client in turn, so that the
machine's noise meets all alike. A client's first thousand requests open its connections, its
second thousand find them open. The agent's time runs from the first `submit` to the last
completion out of `step`: messages to JSON, limiter, request, reply to message, and the way between
the threads are all in it. Bare aiohttp posts ready values and reads JSON. All requests are there at
once; how many are in flight at once is unlimited for bare aiohttp, and the agent's `concurrency`.
Both are shown with the other's number as well, since fewer connections are quicker to open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TypeAlias

import aiohttp
import numpy as np

from reachgym.agents.endpoint.agent import EndpointAgent
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.agents.protocol import Completion, Conversation, Limits, Request
from reachgym.envs.types import Message, ToolSpec

REQUESTS = 1000
DELAY_S = 0.02
GOAL = 1.2
BARE = "bare aiohttp"
GATED = "the agent"
FIRST, SECOND = "opening connections", "with open connections"

# A client that is ready: each call makes every request and returns when all are answered.
Client: TypeAlias = Callable[[], None]

TOOL = ToolSpec(
    "search",
    "Look something up.",
    {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)
OPENING = (Message("system", "Answer in one word."), Message("user", "What is 6 times 7?"))


class AnsweringProtocol(asyncio.Protocol):
    """HTTP as far as it takes to answer every request the same after a delay."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer when a request is whole."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        _, _, rest = head.lower().partition(b"content-length:")
        if len(body) < int(rest.split(b"\r\n", 1)[0]):
            return
        self._received = b""
        answer = STREAMED if b'"stream":true' in body else WHOLE
        loop = asyncio.get_running_loop()
        loop.call_later(self._delay_s, self._transport.write, answer)


def _whole() -> bytes:
    choice = {"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    data = json.dumps(body).encode()
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(data)}\r\n\r\n".encode() + data


def _streamed() -> bytes:
    pieces: list[dict[str, object]] = [{"delta": {"content": digit}} for digit in "42"]
    pieces.append({"delta": {}, "finish_reason": "stop"})
    texts = [json.dumps({"choices": [piece]}) for piece in pieces] + ["[DONE]"]
    data = "".join(f"data: {text}\n\n" for text in texts).encode()
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


WHOLE, STREAMED = _whole(), _streamed()


async def _answer_forever(delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: AnsweringProtocol(delay_s), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving(delay_s: float) -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    command = [sys.executable, __file__, "--serve", "--delay-s", str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.kill()


@contextmanager
def bare_client(url: str, requests: int, connections: int = 0) -> Iterator[Client]:
    """The aiohttp session that a program would write for these requests; 0 is no limit."""
    loop = asyncio.new_event_loop()
    body = {
        "model": "m",
        "messages": [{"role": message.role, "content": message.content} for message in OPENING],
        "tools": [{"type": "function", "function": {"name": TOOL.name}}],
        "max_tokens": 16,
    }

    async def ask(session: aiohttp.ClientSession) -> str:
        async with session.post(f"{url}/chat/completions", json=body) as response:
            reply = await response.json()
        content: str = reply["choices"][0]["message"]["content"]
        return content

    async def ask_all(session: aiohttp.ClientSession) -> None:
        said = await asyncio.gather(*(ask(session) for _ in range(requests)))
        if set(said) != {"42"}:
            raise RuntimeError(f"expected 42 from every request, got {set(said)}")

    async def opened() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections))

    session = loop.run_until_complete(opened())
    yield lambda: loop.run_until_complete(ask_all(session))
    loop.run_until_complete(session.close())
    loop.close()


@contextmanager
def agent_client(settings: EndpointSettings, requests: int) -> Iterator[Client]:
    """The agent's engine, driven as the scheduler drives it."""
    woken = threading.Event()
    engine = EndpointAgent(settings).engine(woken.set)
    request = Request(Conversation(OPENING), (TOOL,), Limits(16, 4096), seed=1)

    def ask_all() -> None:
        for ticket in range(requests):
            engine.submit(ticket, request)
        left = requests
        while left:
            woken.wait()
            woken.clear()
            for _, turn in engine.step():
                if not isinstance(turn, Completion) or turn.message.content != "42":
                    raise RuntimeError(f"expected 42 from every request, got {turn}")
                left -= 1

    yield ask_all
    engine.close()


def _measure(url: str, requests: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    whole = EndpointSettings(url, "m", api_key_env=None, stream=False)
    clients: dict[str, Callable[[], AbstractContextManager[Client]]] = {
        BARE: lambda: bare_client(url, requests),
        f"{BARE}, {whole.concurrency} in flight": lambda: bare_client(
            url, requests, whole.concurrency
        ),
        GATED: lambda: agent_client(whole, requests),
        f"{GATED}, {requests} in flight": lambda: agent_client(
            replace(whole, concurrency=requests), requests
        ),
        f"{GATED}, streamed": lambda: agent_client(replace(whole, stream=True), requests),
    }
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, opened in clients.items():
            with opened() as client:
                for phase in (FIRST, SECOND):
                    started_s = time.perf_counter()
                    client()
                    times.setdefault((name, phase), []).append(time.perf_counter() - started_s)
    return times


def main() -> None:
    """Measure and print, or serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--delay-s", type=float, default=DELAY_S)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_answer_forever(options.delay_s))
        return
    with serving(options.delay_s) as url:
        times = _measure(url, options.requests, options.rounds)
    print(
        f"{options.requests} requests of {options.delay_s * 1000:.0f} ms, {options.rounds} rounds"
    )
    for (name, phase), spent in times.items():
        ratios = np.array(spent) / np.array(times[BARE, phase])
        print(f"{phase:24}{name:30}{np.median(spent):8.3f} s   {np.median(ratios):5.2f} x {BARE}")
    ratio = np.median(np.array(times[GATED, FIRST]) / np.array(times[BARE, FIRST]))
    print(f"goal <= {GOAL} x {BARE}: {'met' if ratio <= GOAL else 'missed'} at {ratio:.2f}")


if __name__ == "__main__":
    main()
