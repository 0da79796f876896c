"""A server's session for each episode: its state, its end, and the processes of all of it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reachgym.envs import ListTaskset, Message, Task, ToolCall, ToolEnv
from reachgym.envs.errors import InfrastructureError
from reachgym.envs.tools.mcp import mcp_tools

RAW_SERVER = Path(__file__).parent / "programs" / "raw_server.py"


def keep(env: ToolEnv, text: str) -> str:
    return say(env, "raw__keep", text=text)


def say(env: ToolEnv, name: str, **arguments) -> str:
    step = Message("assistant", tool_calls=(ToolCall("c", name, arguments),))
    return env.step(step)[0][0].content


def runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def make_env(raw_server):
    def make(**options) -> ToolEnv:
        tools = mcp_tools(raw_server(), **options)
        return ToolEnv(ListTaskset([Task("t", "p", "g")]), tools=tools)

    return make


def test_a_shared_server_keeps_what_others_left(make_env):
    first, second = make_env(), make_env()
    first.reset()
    second.reset()
    keep(first, "a")
    assert keep(second, "b") == "a b"


def test_an_episode_finds_nothing_of_others_in_a_session_of_its_own(make_env):
    first, second = make_env(per_episode=True), make_env(per_episode=True)
    first.reset()
    second.reset()
    assert [keep(first, "a"), keep(second, "b"), keep(first, "c")] == ["a", "b", "a c"]
    first.reset()
    assert keep(first, "d") == "d"


def test_an_ended_episodes_server_ends_with_it(make_env):
    env = make_env(per_episode=True)
    for end in (env.reset, env.close, lambda: env.step(Message("assistant", "an answer"))):
        env.reset()
        server = int(say(env, "raw__process"))
        end()
        assert not runs(server)


def test_a_forgotten_environments_server_ends_with_it(make_env):
    env = make_env(per_episode=True)
    env.reset()
    server = int(say(env, "raw__process"))
    del env
    gc.collect()
    wait_until(lambda: not runs(server))


def test_a_lost_session_is_not_replaced_within_its_episode(make_env):
    env = make_env(per_episode=True)
    env.reset()
    snapshot = env.snapshot()
    keep(env, "a")
    with pytest.raises(InfrastructureError, match="failed at leave"):
        say(env, "raw__leave")
    env.reset()
    assert keep(env, "b") == "b"
    env.restore(snapshot)
    assert keep(env, "c") == "c"


def test_an_episode_that_made_a_call_cannot_be_gone_on_with(make_env):
    env = make_env(per_episode=True)
    env.reset()
    keep(env, "a")
    snapshot = env.snapshot()
    assert keep(env, "b") == "a b"
    env.restore(snapshot)
    with pytest.raises(InfrastructureError, match="cannot be undone"):
        keep(env, "c")


PROGRAM = """
import os, sys, time
from reachgym.envs.tools.mcp import StdioServer, mcp_tools

raw, folder, end = sys.argv[1:]
tools = mcp_tools(StdioServer("raw", sys.executable, (raw, "stubborn", folder)))
assert tools[0].run({}) == "{}"
print("ready", flush=True)
if end == "fork":
    # A forked child has a server of its own, and leaves its parent's alone.
    if os.fork() == 0:
        assert tools[0].run({}) == "{}"
        sys.exit()
    os.wait()
    assert tools[0].run({}) == "{}"
if end == "kill":
    time.sleep(600)
"""


@pytest.mark.parametrize("end", ["kill", "fork"])
def test_no_server_outlives_the_process_that_started_it(tmp_path, end):
    program = [sys.executable, "-c", PROGRAM, str(RAW_SERVER), str(tmp_path / "pids"), end]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout.readline() == "ready\n"
        pids = [int(name) for name in os.listdir(tmp_path / "pids")]
        assert len(pids) == 2
        assert all(runs(pid) for pid in pids) or end != "kill"
        if end == "kill":
            started.send_signal(signal.SIGKILL)
        status = started.wait(20)
    assert status == (-signal.SIGKILL if end == "kill" else 0)
    pids = [int(name) for name in os.listdir(tmp_path / "pids")]
    assert len(pids) == (4 if end == "fork" else 2)
    wait_until(lambda: not any(runs(pid) for pid in pids))
