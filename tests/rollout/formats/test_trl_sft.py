"""Conversations as TRL's SFTTrainer takes them, and attempts made of conversations."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reachgym.envs.errors import InputError
from reachgym.rollout.formats.transfer import Choice, Format, export, import_file
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Failure


def test_a_line_holds_messages_and_the_schemas_of_the_tools(tmp_path, played):
    choice = Choice(policy="oracle", family="lookup-2", passed=True)
    assert export(played, Format.TRL_SFT, tmp_path / "a.jsonl", choice).count == 3
    row = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert row.keys() == {"messages", "tools"}
    user, said, found = row["messages"][:3]
    assert user["role"] == "user"
    call = said["tool_calls"][0]
    assert (said["role"], call["type"], call["function"]["name"]) == (
        "assistant",
        "function",
        "search",
    )
    assert isinstance(call["function"]["arguments"], dict)
    assert (found["role"], found["name"], found["tool_call_id"]) == ("tool", "search", call["id"])
    assert row["messages"][-1].keys() == {"role", "content"}
    tools = json.loads(row["tools"])
    assert tools[0]["function"]["parameters"]["properties"]["query"]["type"] == "string"


def test_what_left_and_came_back_leaves_alike(tmp_path, played):
    first = export(played, Format.TRL_SFT, tmp_path / "a.jsonl")
    assert first.count + first.left_out == 12
    assert (
        import_file(tmp_path / "a.jsonl", Format.TRL_SFT, tmp_path / "again").count == first.count
    )
    export(tmp_path / "again", Format.TRL_SFT, tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_reasoning_leaves_and_comes_back_under_the_name_that_templates_read(tmp_path, played):
    store = TrajectoryStore(tmp_path / "store")
    first = next(iter(TrajectoryStore(played).read(policy="oracle", family="lookup-2")))
    turn = first.turns[0]
    thought = replace(turn.completion.message, reasoning="First, the map.")
    turns = (replace(turn, completion=replace(turn.completion, message=thought)), *first.turns[1:])
    store.append([replace(first, turns=turns)])
    export(tmp_path / "store", Format.TRL_SFT, tmp_path / "a.jsonl")
    messages = json.loads((tmp_path / "a.jsonl").read_text())["messages"]
    told = [message.get("reasoning_content") for message in messages]
    assert [text for text in told if text is not None] == ["First, the map."]
    import_file(tmp_path / "a.jsonl", Format.TRL_SFT, tmp_path / "again")
    (again,) = TrajectoryStore(tmp_path / "again").read()
    assert again.turns[0].completion.message.reasoning == "First, the map."


def test_an_imported_attempt_is_unscored_and_without_tokens(tmp_path, played):
    export(played, Format.TRL_SFT, tmp_path / "a.jsonl", Choice("oracle", "lookup-2"))
    import_file(tmp_path / "a.jsonl", Format.TRL_SFT, tmp_path / "again")
    for attempt in TrajectoryStore(tmp_path / "again").read():
        assert (attempt.verdict.passed, attempt.key.policy) == (None, "imported")
        assert len(attempt.tokens().ids) == 0
        assert attempt.usage.tool_calls == sum(len(turn.results) for turn in attempt.turns) > 0


def test_attempts_that_failed_or_called_unreadably_are_left_out(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path / "store")
    store.append([trajectory(1), trajectory(2, failure=Failure("OSError", "gone"), reward=None)])
    moved = export(tmp_path / "store", Format.TRL_SFT, tmp_path / "a.jsonl")
    assert (moved.count, moved.left_out) == (0, 2)


def test_conversations_of_others_come_in_with_lists_and_text_arguments(tmp_path):
    call = {"function": {"name": "add", "arguments": '{"b": 1, "a": 2}'}}
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    row = {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "2 + 1?", "name": "x"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "3"},
            {"role": "assistant", "content": "3"},
        ],
        "tools": [tool],
        "source": "elsewhere",
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    import_file(tmp_path / "a.jsonl", Format.TRL_SFT, tmp_path / "store")
    (attempt,) = TrajectoryStore(tmp_path / "store").read()
    assert [message.role for message in attempt.opening] == ["system", "user"]
    first, last = attempt.turns
    assert first.completion.message.tool_calls[0].arguments == {"b": 1, "a": 2}
    assert first.results[0].content == first.replies[0].content == "3"
    assert last.completion.message.content == "3"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "messages expects a list, got None"),
        ({"messages": [{"role": "user", "content": "a"}]}, "at least one assistant message"),
        ({"messages": [{"role": "robot"}]}, r"messages\[0\].role expects one of system, user"),
        ({"messages": [{"role": "user", "content": [1]}]}, r"messages\[0\].content expects a str"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "a"}}]}]},
            r"messages\[0\].tool_calls\[0\].function.arguments expects an object, got None",
        ),
        (
            {"messages": [{"role": "assistant", "content": "a"}], "tools": "["},
            "tools expects JSON text",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path, row, said):
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=f"line 1: .*{said}"):
        import_file(tmp_path / "a.jsonl", Format.TRL_SFT, tmp_path / "store")
    assert not (tmp_path / "store").exists()
