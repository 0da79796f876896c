"""A chat-completions server that answers as the world's policy does: `chat_server.py PORT`.

SIGUSR1 makes it drop its next connections, some before and some within a reply.
"""

from __future__ import annotations

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from faulty_world import reply

_DROPS = 30
dropping = 0


def drop(*_: object) -> None:
    global dropping  # noqa: PLW0603 - a signal handler has nowhere else to write
    dropping = _DROPS


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        global dropping
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = b"data: " + json.dumps(self._chunk(body)).encode() + b"\n\n"
        dropping, dropped = max(0, dropping - 1), dropping
        if dropped % 2:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data if dropped else data + b"data: [DONE]\n\n")
        self.close_connection = True

    def _chunk(self, body: dict) -> dict:
        said = reply(body)
        calls = [
            {
                "index": index,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for index, call in enumerate(said.tool_calls)
        ]
        delta = {"role": "assistant", "content": said.content or None, "tool_calls": calls}
        finish = "tool_calls" if calls else "stop"
        return {
            "id": "x",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    def log_message(self, *_: object) -> None:
        """Nothing: standard error is the test's."""


class Server(ThreadingHTTPServer):
    request_queue_size = 1024


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    signal.signal(signal.SIGUSR1, drop)
    print("ready", flush=True)
    server.serve_forever()
