"""Tools of real servers that are programs: what the agent sees, and what breaks how."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from reachgym.envs import ListTaskset, Message, Task, ToolCall, ToolEnv
from reachgym.envs.errors import ConfigError, InfrastructureError, InputError, ToolError
from reachgym.envs.tools.mcp import StdioServer, mcp_tools


@pytest.fixture(scope="module")
def tools(sdk_server, by_name):
    return by_name(sdk_server(), call_timeout_s=10.0, max_reply_bytes=100_000)


@pytest.fixture(scope="module")
def raw(raw_server, by_name):
    return by_name(raw_server(), call_timeout_s=0.3, max_reply_bytes=100_000)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


def wait_until(condition, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_tools_are_named_after_their_server_and_described_as_it_describes_them(tools):
    spec = tools["add"].spec
    assert (spec.name, spec.description) == ("t__add", "Add two numbers.")
    assert spec.parameters["required"] == ["a"]
    assert spec.parameters["properties"]["b"]["default"] == 1
    assert tools["add"].informs


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("add", {"a": 2}, "3"),
        ("add", {"a": "2", "b": "3"}, "5"),
        ("total", {"points": '[{"x": 1}, {"x": 2, "y": "3"}]', "scale": None}, "6 None"),
        ("picture", {}, "here:\n[image: image/png, 7 bytes]"),
        (
            "resources",
            {},
            "[resource: file:///a.txt]\ninside\n[resource: b, file:///b, text/csv]",
        ),
        ("structured", {}, '{"a": [1, "é"]}'),
    ],
)
def test_a_result_is_told_as_text(tools, name, arguments, told):
    assert tools[name].run(arguments) == told


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("add", {}, "t__add takes (a, b). 'a' is missing"),
        ("add", {"a": "x"}, """'a' should be integer, got "x\""""),
        ("total", {"points": [{"y": 1}], "scale": "z"}, "'points.0.x' is missing; 'scale' should"),
        ("total", {"points": [], "scale": "z"}, "'scale' should be number or null"),
        ("keep", {"text": "\ud800"}, "are no JSON"),
        ("add", {"a": float("nan")}, "are no JSON"),
        ("keep", {"text": "a" * 100_000}, "at most 100,000 bytes"),
        ("refuse", {}, "not today"),
        ("letters", {"count": 200_000}, "longer than 100,000 bytes"),
    ],
)
def test_what_the_agent_did_wrong_is_told_to_it(tools, name, arguments, told):
    with pytest.raises(ToolError) as caught:
        tools[name].run(arguments)
    assert told in str(caught.value)
    assert tools["add"].run({"a": 1}) == "2"


def test_arguments_nested_beyond_measure_are_refused(raw):
    nested = 1
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(ToolError, match="nested more than 100 deep"):
        raw["echo"].run({"a": nested})


def test_many_threads_call_one_server_at_once(tools):
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        slept = [pool.submit(tools["sleep"].run, {"seconds": 0.3}) for _ in range(8)]
        added = [pool.submit(tools["add"].run, {"a": number}) for number in range(20)]
        assert [future.result() for future in added] == [str(number + 1) for number in range(20)]
        assert {future.result() for future in slept} == {"slept"}
    assert time.monotonic() - started < 2.0


def test_a_call_that_takes_too_long_is_cancelled_and_told_to_the_agent(sdk_server, by_name):
    tools = by_name(sdk_server(), call_timeout_s=0.5)
    process = tools["process"].run({})
    with pytest.raises(ToolError, match=r"timed out after 0\.5 s"):
        tools["sleep"].run({"seconds": 600})
    assert tools["interrupted"].run({}) == "[600.0]"
    with pytest.raises(InfrastructureError, match="answers nobody since a call of block"):
        tools["block"].run({"seconds": 600})
    assert gone(int(process))
    assert tools["process"].run({}) != process


def test_a_server_that_dies_in_a_call_leaves_the_attempt_unscored_and_is_started_again(
    sdk_server, by_name
):
    tools = by_name(sdk_server(name="mortal"))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(tools["sleep"].run, {"seconds": 600})
        with pytest.raises(InfrastructureError) as caught:
            tools["die"].run({"complaint": "out of luck"})
        with pytest.raises(InfrastructureError, match="'mortal' failed at sleep"):
            other.result(5)
    assert "the MCP server 'mortal' failed at die" in str(caught.value)
    assert "its stderr ends:\nout of luck" in str(caught.value)
    assert tools["add"].run({"a": 1}) == "2"


def test_a_server_that_ended_between_calls_is_started_again_unnoticed(raw):
    first = raw["echo"].run({"a": 1})
    with pytest.raises(InfrastructureError):
        raw["leave"].run({})
    assert raw["echo"].run({"a": 1}) == first == '{"a": 1}'


def test_a_slow_start_is_waited_for_and_a_slower_one_is_not(sdk_server):
    assert mcp_tools(sdk_server("wait=0.5", name="slow"), start_timeout_s=30.0)
    with pytest.raises(InfrastructureError, match=r"could not be started within 0\.2 s"):
        mcp_tools(sdk_server("wait=60", name="slower"), start_timeout_s=0.2)


def test_a_server_that_dies_at_its_start_says_why(raw_server):
    with pytest.raises(InfrastructureError) as caught:
        mcp_tools(raw_server("die"))
    assert "'raw' could not be started" in str(caught.value)
    assert "the database is locked" in str(caught.value)


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [("garbage", "does not speak MCP"), ("pages", "more than 100 pages")],
)
def test_a_server_that_makes_no_sense_is_refused(raw_server, behaviour, told):
    with pytest.raises(InfrastructureError, match=told):
        mcp_tools(raw_server(behaviour))


def test_a_server_that_says_nothing_is_given_up(raw_server):
    with pytest.raises(InfrastructureError, match="within"):
        mcp_tools(raw_server("mute"), start_timeout_s=0.3)


def test_lines_that_are_no_messages_are_passed_over(raw_server, by_name, raw):
    assert by_name(raw_server("banner"))["echo"].run({"a": "é"}) == '{"a": "\\u00e9"}'
    assert raw["chatter"].run({"lines": 100}) == '{"lines": 100}'
    with pytest.raises(InfrastructureError, match="last: 'no message'"):
        raw["chatter"].run({"lines": 5000})


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_reply_that_is_too_long_is_told_to_the_agent_wherever_its_id_stands(raw, where):
    with pytest.raises(ToolError, match="longer than 100,000 bytes; ask for less"):
        raw["long"].run({"count": 10_000_000, "id": where})


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("long", {"count": 10_000_000, "id": "between"}, "message of more than 100,000 bytes"),
        ("endless", {}, "answers nobody"),
        ("nonsense", {}, "failed at nonsense"),
        ("fail", {}, "failed at fail: failed"),
        ("leave", {}, "closed its standard output"),
    ],
)
def test_a_server_that_breaks_the_protocol_leaves_the_attempt_unscored(raw, name, arguments, told):
    with pytest.raises(InfrastructureError, match=told):
        raw[name].run(arguments)
    assert raw["echo"].run({}) == "{}"


def test_arguments_that_the_server_refuses_are_told_to_the_agent(raw):
    with pytest.raises(ToolError, match=r"^rejected$"):
        raw["reject"].run({})


def test_a_server_sees_only_the_variables_that_it_is_given(sdk_server, by_name, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("GIVEN", "for-the-server")
    server = sdk_server(name="env", env={"TOKEN": "is ${GIVEN}", "LEVEL": "${UNSET:-low}"})
    seen = by_name(server)["environment"].run({})
    assert "very-secret" not in seen
    assert "TOKEN=is for-the-server" in seen
    assert "LEVEL=low" in seen
    assert "for-the-server" not in repr(server)


def test_what_a_server_was_given_for_itself_is_in_no_error(raw_server, by_name, monkeypatch):
    monkeypatch.setenv("GIVEN", "for-the-server")
    monkeypatch.setenv("NAMED", "in-an-argument")
    given = {"TOKEN": "Bearer ${GIVEN}", "OTHER": "written-in-the-file"}
    tools = by_name(raw_server("", "${NAMED}", name="env", env=given))
    with pytest.raises(InfrastructureError) as caught:
        tools["swear"].run({"text": "bad: for-the-server, written-in-the-file, in-an-argument"})
    assert "bad: [hidden], [hidden], [hidden]" in str(caught.value)


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (StdioServer("x", "no-such-program"), "needs the program 'no-such-program'"),
        (StdioServer("x", "sh", cwd="/nowhere"), "has no folder /nowhere"),
        (StdioServer("x", "sh", ["${UNSET_VARIABLE}"]), "variable UNSET_VARIABLE, which is not"),
    ],
)
def test_a_server_that_cannot_be_there_is_the_users_to_mend(server, told):
    with pytest.raises(ConfigError, match=told):
        mcp_tools(server)


@pytest.mark.parametrize("option", ["call_timeout_s", "start_timeout_s", "max_reply_bytes"])
def test_limits_are_positive(raw_server, option):
    with pytest.raises(InputError, match="positive"):
        mcp_tools(raw_server(), **{option: 0})


def test_names_are_such_as_endpoints_take(raw_server):
    tools = mcp_tools(raw_server(name="a b/ü"))
    assert tools[0].spec.name == "a_b____echo"
    long = [tool.spec.name for tool in mcp_tools(raw_server(name="n" * 80))]
    assert {len(name) for name in long} == {64}
    assert len(set(long)) == len(long)


def test_the_whole_of_an_environment(tools):
    env = ToolEnv(ListTaskset([Task("t", "p", "g")]), tools=list(tools.values()))
    env.reset()
    calls = (ToolCall("a", "t__add", {"a": 1}), ToolCall("b", "t__add", {"b": 1}))
    replies, *_ = env.step(Message("assistant", tool_calls=calls))
    assert [reply.content for reply in replies] == ["2", "t__add takes (a, b). 'a' is missing"]


def test_an_interrupt_cancels_the_call(tools, ctrl_c):
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        tools["sleep"].run({"seconds": 602})
    wait_until(lambda: "602" in tools["interrupted"].run({}), within_s=5.0)
