"""A small environment at a real server, in a thread of this process or in one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import gymnasium
import httpx
import pytest

from reachgym.envs import Message, Task, exact_match, register, tool
from reachgym.envs.errors import ToolError
from reachgym.envs.registration import EnvRef
from reachgym.envs.serving.server import ServerSettings, serving

ENV = "test_serving/Shout-v0"
ENTERED, LEAVE = threading.Event(), threading.Event()


@tool
def shout(text: str) -> str:
    """Return the text in capitals.

    Args:
        text: What to shout.
    """
    if text == "refuse":
        raise ToolError("it will not be shouted")
    if text == "break":
        raise RuntimeError("the tool broke")
    if text == "wait":
        ENTERED.set()
        LEAVE.wait(20)
    return text.upper()


@pytest.fixture(scope="session", autouse=True)
def _registered() -> Iterator[None]:
    tasks = [Task(id=word, prompt=f"Shout {word}.", gold=word.upper()) for word in ("hi", "grüezi")]
    tasks.append(Task(id="held", prompt="Shout it.", gold="IT", split="held_out"))
    register(ENV, tasks=tasks, tools=[shout], verifier=exact_match)
    yield
    del gymnasium.registry[ENV]


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves an environment; gives the server's URL."""
    with ExitStack() as stack:

        def start(env: str = ENV, kwargs: dict | None = None, **settings) -> str:
            given = ServerSettings(port=0, **settings)
            return stack.enter_context(serving(EnvRef(env, kwargs or {}), given))

        yield start


@pytest.fixture
def told() -> Callable[[str], dict]:
    """What a server says of its sessions."""
    return lambda url: httpx.get(f"{url}/sessions").json()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    def settles(condition: Callable[[], bool]) -> bool:
        deadline_s = time.monotonic() + 15
        while not condition():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.02)
        return True

    return settles


@pytest.fixture
def held() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Set when a tool that waits was entered; set it to let the tool go on."""
    ENTERED.clear()
    LEAVE.clear()
    yield ENTERED, LEAVE
    LEAVE.set()


@pytest.fixture
def command() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts `reachgym serve` as a process; gives it and the URL it tells."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "reachgym", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", **environment},
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        return process, line.rpartition(" at ")[2].strip()

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def answer() -> Message:
    return Message("assistant", "HI")
