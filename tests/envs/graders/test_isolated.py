"""Calls in processes beside this one: what comes back, and what they cannot do."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.graders.isolated import CallLimits, Failed, Isolated

SOURCE = """
import ctypes, os, resource, socket

def add(a, b):
    return a + b

def fail():
    raise KeyError("gone")

def spin():
    while True:
        pass

def hoard():
    return len(bytearray(8 * 2**30))

def crash():
    ctypes.string_at(0)

def leave():
    os._exit(0)

def say(text):
    print(text)
    os.write(2, text.encode())
    return "said"

def write(path):
    with open(path, "w") as file:
        file.write("here")

def remove(path):
    os.remove(path)

def read(path):
    return open(path).read()

def fork():
    return os.fork()

def run():
    os.execv("/bin/sh", ["sh", "-c", "true"])

def connect():
    return socket.socket().fileno()

def kill(pid):
    os.kill(pid, 9)

def parent():
    return os.getppid()

def forge(text):
    for descriptor in range(64):
        try:
            os.write(descriptor, text.encode())
        except OSError:
            pass
    os._exit(0)

def unlimit():
    resource.setrlimit(resource.RLIMIT_CPU, (99, 99))

def remember():
    globals()["n"] = globals().get("n", 0) + 1
    return n

def hashes():
    return hash("text")
"""
HASTY = CallLimits(cpu_s=1, wall_s=10)


@pytest.fixture(scope="module")
def isolated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("isolated")
    (folder / "hostile_functions.py").write_text(SOURCE)
    sys.path.append(str(folder))
    yield Isolated("hostile_functions")
    sys.path.remove(str(folder))


def test_a_value_comes_back(isolated):
    assert isolated.call("add", [1], ["é"]) == [1, "é"]


def test_what_a_call_raises_is_told(isolated):
    assert isolated.call("fail") == Failed("KeyError: 'gone'", raised=True)


@pytest.mark.parametrize("function", ["spin", "crash", "leave"])
def test_a_call_that_hangs_or_crashes_is_a_failed_call(isolated, function):
    assert isinstance(isolated.call(function, limits=HASTY), Failed)
    assert isolated.call("add", 1, 2) == 3


def test_memory_ends(isolated):
    found = isolated.call("hoard")
    assert isinstance(found, Failed)
    assert "MemoryError" in found.why


def test_what_a_call_prints_is_dropped(isolated):
    assert isolated.call("say", '{"value": 1}\n') == "said"


def test_a_call_can_read_and_change_nothing(isolated, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("text")
    assert isolated.call("read", str(kept)) == "text"
    for function in ("write", "remove"):
        found = isolated.call(function, str(kept))
        assert isinstance(found, Failed)
        assert "PermissionError" in found.why
    assert kept.read_text() == "text"


@pytest.mark.parametrize("function", ["fork", "run", "connect", "unlimit"])
def test_a_call_can_start_nothing_reach_nobody_and_take_no_more(isolated, function):
    found = isolated.call(function)
    assert isinstance(found, Failed)
    assert "PermissionError" in found.why or "not allowed" in found.why


def test_a_call_cannot_kill_its_server(isolated):
    server = isolated.call("parent")
    assert isinstance(isolated.call("kill", server), Failed)
    assert isolated.call("parent") == server


@pytest.mark.parametrize("text", ["[]\n", "1\n", '"value"\n', "[" * 10_000 + "\n", "no JSON\n"])
def test_what_a_call_writes_by_itself_is_no_more_than_its_own_answer(isolated, text):
    isolated.call("forge", text)
    assert isolated.call("add", 1, 2) == 3


def test_calls_know_nothing_of_one_another(isolated):
    assert [isolated.call("remember") for _ in range(3)] == [1, 1, 1]


def test_texts_hash_alike_in_all_processes(isolated):
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(lambda _: isolated.call("hashes"), range(16)))) == 1


def test_a_server_that_died_is_an_infrastructure_failure_and_is_replaced(isolated):
    os.kill(isolated.call("parent"), 9)
    with pytest.raises(SandboxError, match="it ended"):
        isolated.call("add", 1, 2)
    assert isolated.call("add", 1, 2) == 3


def test_a_fork_has_servers_of_its_own(isolated):
    ours = isolated.call("parent")
    fork = get_context("fork")
    theirs = fork.SimpleQueue()
    process = fork.Process(target=lambda: theirs.put(isolated.call("parent")))
    process.start()
    assert theirs.get() != ours
    process.join()
    assert isolated.call("parent") == ours


def test_a_module_that_cannot_be_imported_says_so():
    with pytest.raises(SandboxError, match="no_such_module"):
        Isolated("no_such_module").call("add")
