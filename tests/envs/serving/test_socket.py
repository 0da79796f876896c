"""A connection is a session: OpenEnv's own clients play over it, and nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import socket as sockets
import subprocess
import sys
import threading
import time

import pytest

openenv = pytest.importorskip("openenv.core.generic_client")

from openenv.core.generic_client import GenericEnvClient  # noqa: E402 - after it is known to be there
from openenv.core.mcp_client import MCPToolClient  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

HELD = {"split": "held_out", "index": 0}
CALL = {"tool_calls": [{"id": "a", "name": "shout", "arguments": {"text": "it"}}]}


@pytest.fixture
def url(serve):
    return serve()


def asked(socket, message):
    socket.send(message if isinstance(message, str) else json.dumps(message))
    return json.loads(socket.recv(timeout=20))


def address(url):
    return f"{url.replace('http', 'ws')}/ws"


def test_openenv_s_client_plays_an_episode(url):
    with GenericEnvClient(base_url=url).sync() as client:
        begun = client.reset(**HELD, episode_id="mine")
        assert begun.done is False
        assert begun.observation["messages"][-1]["content"] == "Shout it."
        turn = client.step(CALL)
        assert (turn.observation["messages"][0]["content"], turn.done) == ("IT", False)
        assert client.state() == {
            "episode_id": "mine",
            "step_count": 1,
            "task_id": "held",
            "under_way": True,
        }
        ended = client.step({"content": "IT"})
        assert (ended.reward, ended.done) == (1.0, True)


def test_openenv_s_client_is_told_of_mistakes_and_goes_on(url):
    with GenericEnvClient(base_url=url).sync() as client:
        with pytest.raises(RuntimeError, match=r"send a reset first \(code: EXECUTION_ERROR\)"):
            client.step({"content": "IT"})
        client.reset(**HELD)
        with pytest.raises(RuntimeError, match=r"expected an action .*VALIDATION_ERROR"):
            client.step({"contents": "IT"})
        assert client.step({"content": "IT"}).reward == 1.0


def test_openenv_s_tool_client_lists_and_calls_tools(url):
    with MCPToolClient(base_url=url).sync() as client:
        (found,) = client.list_tools()
        assert (found.name, found.input_schema["required"]) == ("shout", ["text"])
        client.reset(**HELD)
        assert client.call_tool("shout", text="hello") == "HELLO"
        assert "no tool" in client.call_tool("whisper", text="x")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[]", "UNKNOWN_TYPE"),
        ({"type": "fly"}, "UNKNOWN_TYPE"),
        ({"type": ["reset"]}, "UNKNOWN_TYPE"),
        ({"type": "reset", "data": 3}, "VALIDATION_ERROR"),
        ({"type": "step"}, "VALIDATION_ERROR"),
        ({"type": "step", "data": {"content": "x"}}, "EXECUTION_ERROR"),
    ],
)
def test_a_mistake_has_a_code_and_words(url, message, code):
    with connect(address(url)) as socket:
        told = asked(socket, message)
        assert (told["type"], told["data"]["code"]) == ("error", code)
        assert asked(socket, {"type": "reset", "data": {}})["type"] == "observation"


def test_whatever_a_model_writes_comes_through(url):
    with connect(address(url)) as socket:
        asked(socket, {"type": "reset", "data": HELD})
        text = 'a"\\\u0000\u202e漢🙂</script>\n'
        call = {"id": "a", "name": "shout", "arguments": {"text": text}}
        told = asked(socket, {"type": "step", "data": {"content": text, "tool_calls": [call]}})
        assert told["data"]["observation"]["messages"][0]["content"] == text.upper()


def test_a_full_server_says_so_and_hangs_up(serve):
    url = serve(sessions=1)
    with connect(address(url)) as first, connect(address(url)) as second:
        told = json.loads(second.recv(timeout=10))
        assert told["data"]["code"] == "CAPACITY_REACHED"
        assert asked(first, {"type": "state"})["type"] == "state"


def test_an_idle_connection_is_hung_up(serve, told, eventually):
    url = serve(idle_s=0.5)
    with connect(address(url)) as socket:
        asked(socket, {"type": "reset", "data": {}})
        with pytest.raises(Exception, match="idle too long"):
            socket.recv(timeout=10)
    assert eventually(lambda: told(url)["open"] == 0)


def test_clients_that_vanish_leave_no_session(url, told, eventually):
    program = (
        "import json, sys, time\n"
        "from websockets.sync.client import connect\n"
        "held = [connect(sys.argv[1]).__enter__() for _ in range(20)]\n"
        "for socket in held:\n"
        "    socket.send(json.dumps({'type': 'reset'})); socket.recv()\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", program, address(url)], stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    assert told(url)["open"] == 20
    client.kill()
    client.wait()
    assert eventually(lambda: told(url)["open"] == 0)


def test_a_client_that_vanishes_in_the_middle_of_a_step_leaves_no_session(
    url, told, eventually, held
):
    entered, leave = held
    with connect(address(url)) as socket:
        asked(socket, {"type": "reset"})
        waiting = {"id": "a", "name": "shout", "arguments": {"text": "wait"}}
        socket.send(json.dumps({"type": "step", "data": {"tool_calls": [waiting]}}))
        assert entered.wait(10)
        socket.socket.shutdown(sockets.SHUT_RDWR)
    leave.set()
    assert eventually(lambda: told(url)["open"] == 0)
    with connect(address(url)) as socket:
        assert asked(socket, {"type": "reset"})["type"] == "observation"


def test_hundreds_of_sessions_leave_nothing_behind(command):
    process, url = command(
        *("reachgym/Compose-v0", "--set", "difficulty=1", "--sessions", "60", "--idle-s", "1")
    )

    def held():
        fds = len(os.listdir(f"/proc/{process.pid}/fd"))
        return fds, len(os.listdir(f"/proc/{process.pid}/task"))

    def play(count):
        for number in range(count):
            with connect(address(url)) as socket:
                told = asked(socket, {"type": "reset", "data": {"seed": number}})
                assert told["type"] == "observation"
                if number % 10 == 0:
                    # Gone without a word, as a process that was killed.
                    socket.socket.shutdown(sockets.SHUT_RDWR)

    play(40)
    time.sleep(0.5)
    before = held()
    threads = [threading.Thread(target=play, args=(40,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline_s = time.monotonic() + 15
    # Threads of the pool are started as they are needed, and stay.
    while held()[0] > before[0] + 2 and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert held()[0] <= before[0] + 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
