"""A chat-completions server on loopback that answers by script: rightly, badly, late or not at all.

A script is a function from a request to steps: bytes are sent, numbers are slept, `STALL` waits
until the client has gone, `DROP` ends the connection hard, `END` ends it softly.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from reachgym.envs.types import Message, ToolCall


class Step(Enum):
    STALL = 0
    DROP = 1
    END = 2


STALL, DROP, END = Step.STALL, Step.DROP, Step.END

Steps = Sequence[bytes | float | Step]


@dataclass
class Call:
    """One request: its number among all, when it came, its headers and its body."""

    number: int
    at_s: float
    path: str
    headers: dict[str, str]
    body: dict


@dataclass
class LoopbackServer:
    """Runs in a thread; keeps every request, and counts those that are being answered."""

    script: Callable[[Call], Steps]
    calls: list[Call] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    gone: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        )
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while call := await self._read(reader):
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    if not await self._answer(call, reader, writer):
                        return
                finally:
                    self.in_flight -= 1
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Call | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): text.strip() for name, text in (x.split(":", 1) for x in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        now_s = self._loop.time()
        call = Call(
            len(self.calls), now_s, first.split()[1], headers, json.loads(body) if body else {}
        )
        self.calls.append(call)
        return call

    async def _answer(
        self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        for step in self.script(call):
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step is STALL:
                await reader.read(1)
                self.gone += 1
                return False
            else:
                if step is DROP:
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, linger
                    )
                return False
        return True


def http(status: int, body: bytes | str | dict, **headers: str) -> bytes:
    """A whole answer; underscores in names of headers stand for hyphens."""
    if isinstance(body, dict):
        body = json.dumps(body)
    data = body.encode() if isinstance(body, str) else body
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append(f"content-length: {len(data)}")
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + data


def completion(message: dict, finish: str = "stop", *, choice: dict | None = None, **top) -> dict:
    """The body of a whole completion."""
    first = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"id": "x", "choices": [first | (choice or {})], "usage": usage, **top}


def said(text: str, finish: str = "stop", **top) -> bytes:
    """A whole answer with a text."""
    return http(200, completion({"content": text}, finish, **top), content_type="application/json")


def events(*pieces: dict, done: bool = True) -> list[bytes]:
    """A streamed answer, one chunk of the transfer an event."""
    head = (
        b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    data = [json.dumps(piece) for piece in pieces] + (["[DONE]"] if done else [])
    chunks = [f"data: {text}\n\n".encode() for text in data]
    ends = [b"0\r\n\r\n"] if done else []
    return [head, *(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks), *ends]


def delta(finish: str | None = None, *, choice: dict | None = None, **fields) -> dict:
    """A piece of a streamed completion."""
    first = {"index": 0, "delta": fields, "finish_reason": finish} | (choice or {})
    return {"id": "x", "choices": [first]}


def streamed(text: str) -> list[bytes]:
    """A streamed answer with a text, a word an event."""
    words = text.split(" ")
    pieces = [words[0], *(" " + word for word in words[1:])]
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(pieces)}}
    return events(
        delta(role="assistant", content=""),
        *(delta(content=piece) for piece in pieces),
        delta("stop"),
        usage,
    )


def call_entry(name: str, arguments: str, call_id: str = "c0") -> dict:
    """A tool call on the wire."""
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def message_of(entry: dict) -> Message:
    """A message of the wire, as environments know it."""
    calls = tuple(
        ToolCall(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in entry.get("tool_calls", ())
    )
    return Message(entry["role"], entry["content"] or "", calls, entry.get("tool_call_id"))


def entry_of(message: Message) -> dict:
    """A message of a model, on the wire."""
    calls = [
        call_entry(call.name, json.dumps(dict(call.arguments)), call.id)
        for call in message.tool_calls
    ]
    return {"content": message.content or None} | ({"tool_calls": calls} if calls else {})
