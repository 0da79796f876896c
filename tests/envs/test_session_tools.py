"""The tools of one place: what lasts from call to call and from episode to episode, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from reachgym.envs import Attempt, Budget, ListTaskset, Message, StopReason, Task, ToolCall, ToolEnv
from reachgym.envs.errors import EpisodeError, InfrastructureError, SandboxError
from reachgym.envs.sandbox.levels import SandboxSpec, open_sandbox
from reachgym.envs.sandbox.protocol import Sandbox, SandboxLimits
from reachgym.envs.tools.python import python_tool
from reachgym.envs.tools.session import session_python_tool, shell_tool
from reachgym.envs.types import Verdict

TASK = Task("t", "Mend it.", "done", files={"in/data.txt": "41\n"})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        opened = open_sandbox(SandboxSpec(limits=SandboxLimits(wall_s=1.0)))
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox: {error}")
    with opened:
        yield opened


def left_a_file(attempt: Attempt) -> Verdict:
    left = attempt.workspace.session().read("out.txt")
    return Verdict(1.0, True, left.decode())


@pytest.fixture
def env(sandbox: Sandbox) -> Iterator[ToolEnv]:
    tools = [session_python_tool, shell_tool]
    made = ToolEnv(ListTaskset([TASK]), tools=tools, verifier=left_a_file, sandbox=lambda: sandbox)
    made.reset(options={"task": TASK})
    yield made
    made.close()


@pytest.fixture
def call(env: ToolEnv) -> Callable[[str, str], str]:
    def make(name: str, text: str) -> str:
        argument = {"python": "code", "shell": "command"}[name]
        action = Message("assistant", tool_calls=(ToolCall("c", name, {argument: text}),))
        (reply,), *_ = env.step(action)
        return reply.content

    return make


def test_names_files_and_the_tasks_own_files_are_there_from_call_to_call(call) -> None:
    assert call("python", "x = int(open('in/data.txt').read()) + 1\nx") == "42"
    assert call("shell", "cat in/data.txt; echo new > b") == "41"
    assert call("python", "x, open('b').read()") == "(42, 'new\\n')"


def test_an_exception_tells_what_was_printed_and_its_traceback(call, env) -> None:
    told = call("python", "print('so far')\n1/0")
    assert told.startswith("so far\nTraceback")
    assert told.endswith("ZeroDivisionError: division by zero")


def test_a_commands_status_is_part_of_its_result_and_no_error(env: ToolEnv) -> None:
    action = Message(
        "assistant", tool_calls=(ToolCall("c", "shell", {"command": "echo a; exit 4"}),)
    )
    _, _, _, _, info = env.step(action)
    assert info["results"][0].content == "a\n[exited with status 4]"
    assert not info["results"][0].error


@pytest.mark.parametrize(("name", "text"), [("shell", "echo a; sleep 9"), ("python", "while 1: 0")])
def test_a_deadline_is_told_and_the_place_stays(call, name: str, text: str) -> None:
    call("shell", "touch kept")
    assert re.search(r"\[timed out after \d[.\d]* s\]$", call(name, text))
    assert call("shell", "ls") == "in\nkept"


def test_the_verifier_finds_the_place_as_the_agent_left_it(call, env: ToolEnv) -> None:
    call("shell", "echo 42 > out.txt")
    _, reward, terminated, _, info = env.step(Message("assistant", "done"))
    assert (reward, terminated, info["verdict"].explanation) == (1.0, True, "42\n")


def test_the_next_episode_finds_an_empty_place(call, env: ToolEnv) -> None:
    call("python", "x = 1; open('f', 'w').close()")
    env.reset(options={"task": TASK})
    assert "NameError" in call("python", "x")
    assert call("shell", "ls") == "in"


@pytest.mark.parametrize("end", ["answer", "stop", "close"])
def test_an_ended_episode_holds_no_session(call, env: ToolEnv, end: str) -> None:
    call("shell", "echo 1 > out.txt")
    session = env._workspace.session()
    if end == "answer":
        env.step(Message("assistant", "done"))
    elif end == "stop":
        env.stop(StopReason.WALL)
    else:
        env.close()
    with pytest.raises(SandboxError, match="got a closed one"):
        session.run("1")


def test_after_closing_a_reset_begins_anew(call, env: ToolEnv) -> None:
    env.close()
    with pytest.raises(EpisodeError):
        call("shell", "ls")
    env.reset(options={"task": TASK})
    assert call("shell", "ls") == "in"


def test_the_level_is_known_once_code_has_run(call, env: ToolEnv) -> None:
    assert env.sandbox_level is None
    call("shell", "true")
    assert env.sandbox_level == "namespaces"
    env.reset(options={"task": TASK})
    assert env.sandbox_level is None


def test_environments_share_a_tool_and_not_its_place(sandbox: Sandbox) -> None:
    envs = [
        ToolEnv(ListTaskset([TASK]), tools=[shell_tool], sandbox=lambda: sandbox) for _ in range(2)
    ]
    seen = []
    for env in envs:
        env.reset()
        arguments = {"command": "ls; touch mine"}
        action = Message("assistant", tool_calls=(ToolCall("c", "shell", arguments),))
        seen.append(env.step(action)[0][0].content)
    for env in envs:
        env.close()
    assert seen == ["in", "in"]


def test_python_that_starts_afresh_finds_the_tasks_files_too(sandbox: Sandbox) -> None:
    env = ToolEnv(
        ListTaskset([TASK]), tools=[python_tool], budget=Budget(), sandbox=lambda: sandbox
    )
    env.reset()
    code = "open('in/data.txt').read() + str(len(__import__('os').listdir('.')))"
    action = Message("assistant", tool_calls=(ToolCall("c", "python", {"code": code}),) * 2)
    replies, *_ = env.step(action)
    assert [reply.content for reply in replies] == ["'41\\n1'"] * 2


def test_no_sandbox_leaves_the_attempt_unscored() -> None:
    def none() -> Sandbox:
        raise SandboxError("there is none")

    env = ToolEnv(ListTaskset([TASK]), tools=[shell_tool], sandbox=none)
    env.reset()
    action = Message("assistant", tool_calls=(ToolCall("c", "shell", {"command": "ls"}),))
    with pytest.raises(InfrastructureError, match="there is none"):
        env.step(action)
