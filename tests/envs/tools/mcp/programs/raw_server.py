"""A server written by hand, of an older protocol, that does what none should.

`python raw_server.py [BEHAVIOUR]`; its tools are named after what they do.
"""

import json
import os
import signal
import subprocess
import sys

TOOLS = (
    *("echo", "keep", "process", "chatter", "long", "endless"),
    *("nonsense", "reject", "fail", "swear", "leave"),
)
ANYTHING = {"type": "object"}
kept: list[str] = []


def send(message: dict) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def text(said: str) -> dict:
    return {"content": [{"type": "text", "text": said}]}


def call(number: int, name: str, arguments: dict) -> None:
    if name == "keep":
        kept.append(arguments["text"])
        return send({"jsonrpc": "2.0", "id": number, "result": text(" ".join(kept))})
    if name == "process":
        return send({"jsonrpc": "2.0", "id": number, "result": text(str(os.getpid()))})
    if name == "chatter":
        print("no message\n" * arguments["lines"], end="")
    if name == "endless":
        while True:
            os.write(1, b"x" * 65536)
    if name == "leave":
        sys.exit(arguments.get("status", 0))
    if name == "swear":
        sys.stderr.write(f"{arguments['text']}\n")
        sys.stderr.flush()
        sys.exit(1)
    if name == "nonsense":
        return send({"jsonrpc": "2.0", "id": number, "result": {"content": "none"}})
    if name in ("reject", "fail"):
        error = {"code": -32602 if name == "reject" else -32603, "message": f"{name}ed"}
        return send({"jsonrpc": "2.0", "id": number, "error": error})
    if name == "long":
        said = text("a" * arguments["count"])
        if arguments.get("id") == "last":
            return send({"result": said, "jsonrpc": "2.0", "id": number})
        if arguments.get("id") == "between":
            return send({"result": said, "id": number, "jsonrpc": "2.0"})
        return send({"jsonrpc": "2.0", "id": number, "result": said})
    return send({"jsonrpc": "2.0", "id": number, "result": text(json.dumps(arguments))})


def answer(message: dict) -> None:
    number, method = message.get("id"), message.get("method")
    if number is None:
        return None
    if method == "initialize":
        result = {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "raw", "version": "1"},
        }
    elif method == "tools/list":
        page = int(message.get("params", {}).get("cursor", 0))
        result = {"tools": [{"name": TOOLS[page], "inputSchema": ANYTHING}]}
        if page + 1 < len(TOOLS) or "pages" in sys.argv:
            result["nextCursor"] = str((page + 1) % len(TOOLS))
    elif method == "tools/call":
        return call(number, message["params"]["name"], message["params"].get("arguments", {}))
    else:
        error = {"code": -32601, "message": "unknown method"}
        return send({"jsonrpc": "2.0", "id": number, "error": error})
    return send({"jsonrpc": "2.0", "id": number, "result": result})


def begin(behaviour: str) -> None:
    if behaviour == "die":
        sys.exit("the database is locked")
    if behaviour == "garbage":
        while True:
            print("no message")
    if behaviour == "mute":
        sys.stdin.read()
    if behaviour == "banner":
        print("welcome")
    if behaviour == "stubborn":
        # It hears neither the end of its input nor SIGTERM, and has a child that left its group.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        os.makedirs(sys.argv[2], exist_ok=True)
        for pid in (os.getpid(), child.pid):
            open(os.path.join(sys.argv[2], str(pid)), "w").close()


for behaviour in sys.argv[1:2]:
    begin(behaviour)
for line in sys.stdin:
    answer(json.loads(line))
if "stubborn" in sys.argv:
    while True:
        signal.pause()
