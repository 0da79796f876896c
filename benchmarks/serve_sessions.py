"""Sessions of a served environment on one core: many at once, very many in all, some abandoned.

The server runs in a process of its own that is kept to one core; the clients in this one, on the
others. A tenth of the sessions is abandoned: half of these cut the connection without a word, half
keep it and fall silent until the server ends them. Printed are the server's memory, descriptors and
threads as sessions come and go, the pace, and how long a reset and a step took.

    python benchmarks/serve_sessions.py --sessions 50000 --at-once 500
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

MODULE = '''
from reachgym.envs import Task, register, tool


@tool
def double(number: int) -> int:
    """Twice a number.

    Args:
        number: Which.
    """
    return 2 * number


register(
    "bench/Double-v0",
    tasks=[Task(id=str(n), prompt=f"Twice {n}?", gold=str(2 * n)) for n in range(100)],
    tools=[double],
)
'''
CALL = {"tool_calls": [{"id": "a", "name": "double", "arguments": {"number": 21}}]}
IDLE_S = 5.0


@dataclass
class Played:
    """What the clients saw."""

    sessions: int = 0
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0


async def talk(socket: aiohttp.ClientWebSocketResponse, message: dict, played: Played) -> dict:
    started_s = time.perf_counter()
    await socket.send_str(json.dumps(message))
    answer = await socket.receive_json(timeout=60)
    played.latencies_s.append(time.perf_counter() - started_s)
    return answer


async def session(client: aiohttp.ClientSession, url: str, played: Played, number: int) -> None:
    """One session from its opening to its end, or to where it is abandoned."""
    socket = await client.ws_connect(url, autoping=True)
    begun = await talk(socket, {"type": "reset", "data": {"seed": number}}, played)
    if begun["type"] == "error":
        played.refused += 1
        await socket.close()
        return
    await talk(socket, {"type": "step", "data": CALL}, played)
    played.sessions += 1
    if number % 20 == 0:
        # Cut: nothing is said, not even goodbye.
        transport = socket.get_extra_info("socket")
        transport.shutdown(2)
        await socket.close()
    elif number % 20 == 10:
        # Silent: the server has to find out by itself.
        answer = await socket.receive(timeout=IDLE_S * 6)
        assert answer.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), answer
        await socket.close()
    else:
        await talk(socket, {"type": "step", "data": {"content": "42"}}, played)
        await socket.close()


async def crowd(url: str, first: int, count: int, at_once: int, played: Played) -> None:
    """Sessions, so many at once all the time; those that fell silent take a place of their own."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:
        places = asyncio.Semaphore(at_once)
        silent: set[asyncio.Task[None]] = set()

        async def one(number: int) -> None:
            try:
                await session(client, url, played, number)
            finally:
                places.release()

        for number in range(first, first + count):
            await places.acquire()
            task = asyncio.create_task(one(number))
            silent.add(task)
            task.add_done_callback(silent.discard)
        await asyncio.gather(*silent)


def held(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    rss_kib = int(next(line for line in status.splitlines() if "VmRSS" in line).split()[1])
    fds = len(os.listdir(f"/proc/{pid}/fd"))
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return f"{rss_kib / 1024:7.1f} MiB, {fds:4d} descriptors, {threads:3d} threads"


async def told(url: str) -> dict:
    async with aiohttp.ClientSession() as client, client.get(f"{url}/sessions") as answer:
        return await answer.json()


async def emptied(url: str) -> dict:
    """What the server says once no session is left, or after a while."""
    deadline_s = time.monotonic() + IDLE_S * 4
    while (counts := await told(url))["open"] and time.monotonic() < deadline_s:
        await asyncio.sleep(0.1)
    return counts


async def measure(url: str, pid: int, sessions: int, at_once: int) -> None:
    socket_url = f"{url.replace('http', 'ws')}/ws"
    print(f"  idle at the start   {held(pid)}")
    done, rounds = 0, 5
    for _ in range(rounds):
        played, started_s = Played(), time.perf_counter()
        await crowd(socket_url, done, sessions // rounds, at_once, played)
        seconds = time.perf_counter() - started_s
        done += sessions // rounds
        counts = await emptied(url)
        latencies = sorted(played.latencies_s)
        print(
            f"  after {done:6d} opened  {held(pid)}; {played.sessions / seconds:5.0f} sessions/s; "
            f"a request p50 {1000 * statistics.median(latencies):.1f} ms, p99 "
            f"{1000 * latencies[int(0.99 * len(latencies))]:.1f} ms; refused {played.refused}; "
            f"open {counts['open']}, expired {counts['expired']}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50_000)
    parser.add_argument("--at-once", type=int, default=500)
    parser.add_argument("--env", default="served_double:bench/Double-v0")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / "reachgym-serve-sessions"
    folder.mkdir(exist_ok=True)
    (folder / "served_double.py").write_text(MODULE)
    # Inherited by the server.
    os.sched_setaffinity(0, {cores[0]})
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "reachgym", "serve", arguments.env, "--port", "0"),
            *("--sessions", str(2 * arguments.at_once), "--idle-s", str(IDLE_S)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
    )
    os.sched_setaffinity(0, set(cores[1:]) or {cores[0]})
    assert server.stdout is not None
    url = server.stdout.readline().rpartition(" at ")[2].strip()
    print(f"{arguments.env}: {arguments.at_once} sessions at once on one core")
    try:
        asyncio.run(measure(url, server.pid, arguments.sessions, arguments.at_once))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
