"""Plain JSONL keeps everything, whatever models and tools have written."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reachgym.agents.protocol import Completion, FinishReason, TokenCounts
from reachgym.envs.errors import InputError
from reachgym.envs.types import Message, StopReason, ToolCall, ToolResult, Verdict
from reachgym.rollout.formats import jsonl
from reachgym.rollout.formats.reading import FieldError
from reachgym.rollout.formats.transfer import Choice, Format, export, import_file
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import AttemptKey, Failure, Timings, Trajectory, Turn, Usage

# Every code point, lone surrogates and NUL among them.
nasty = st.text(st.characters(exclude_categories=()), max_size=20)
words = st.one_of(nasty, st.sampled_from(["", "\x00", "\ud800", "\udfff\ud83d", "\u2028\n\r"]))
floats = st.floats(allow_nan=False)
int64 = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.just(10**400), st.just(-(2**64)), floats, words
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


def lists_of(inner):
    return st.lists(inner, max_size=3).map(tuple)


calls = st.builds(
    ToolCall, words, words, st.dictionaries(words, json_values, max_size=3), st.none() | words
)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    words,
    lists_of(calls),
    st.none() | words,
    words,
)
with_ids = st.builds(
    Completion,
    messages,
    st.sampled_from(FinishReason),
    lists_of(int32),
    lists_of(int32),
    lists_of(floats),
    int64,
    floats,
)
sizes = st.integers(0, 2**63 - 1)
counted = st.builds(Completion, messages, counts=st.none() | st.builds(TokenCounts, sizes, sizes))
completions = with_ids | counted
results = st.builds(ToolResult, words, words, st.booleans(), st.booleans(), floats)
turns = st.builds(Turn, completions, lists_of(results), lists_of(messages), floats)
trajectories = st.builds(
    Trajectory,
    key=st.builds(AttemptKey, words, int64, words, int64),
    task_id=words,
    family=words,
    split=words,
    env=words,
    policy_version=int64,
    opening=lists_of(messages),
    turns=lists_of(turns),
    verdict=st.builds(Verdict, st.none() | floats, st.none() | st.booleans(), words, st.booleans()),
    stop_reason=st.sampled_from(StopReason),
    failure=st.none() | st.builds(Failure, words, words),
    sandbox=st.none() | words,
    usage=st.builds(Usage, int64, int64, int64, int64, int64, int64),
    timings=st.builds(Timings, floats, floats, floats),
)


@settings(max_examples=150, deadline=None)
@given(trajectories)
def test_what_was_written_is_equal_when_it_is_read(trajectory):
    line = jsonl.dump(trajectory)
    assert line.isascii()
    assert "\n" not in line
    assert jsonl.load(json.loads(line)) == trajectory


def test_numbers_that_json_does_not_know_are_kept(trajectory):
    row = trajectory(reward=math.inf)
    again = jsonl.load(json.loads(jsonl.dump(row)))
    assert again == row
    unscored = jsonl.load(json.loads(jsonl.dump(trajectory(reward=math.nan))))
    assert math.isnan(unscored.verdict.reward)


def test_counts_beside_ids_and_counts_below_0_are_refused(trajectory):
    row = json.loads(jsonl.dump(trajectory()))
    row["turns"][0]["completion"]["counts"] = {"request_tokens": 3, "sampled_tokens": 2}
    with pytest.raises(FieldError, match="got both"):
        jsonl.load(row)
    row["turns"][0]["completion"]["counts"] = {"request_tokens": -3, "sampled_tokens": 2}
    with pytest.raises(FieldError, match="from 0 on, got -3 and 2"):
        jsonl.load(row)


def test_a_store_that_left_and_came_back_leaves_alike(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path / "store")
    store.append([trajectory(seed) for seed in range(4)])
    store.append([trajectory(9, failure=Failure("OSError", "gone"), reward=None)])
    assert export(tmp_path / "store", Format.JSONL, tmp_path / "a.jsonl").count == 5
    assert import_file(tmp_path / "a.jsonl", Format.JSONL, tmp_path / "again").count == 5
    export(tmp_path / "again", Format.JSONL, tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert list(TrajectoryStore(tmp_path / "again").read()) == list(store.read())


def test_attempts_can_be_chosen(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path / "store")
    store.append([trajectory(1), trajectory(2, policy="rl"), trajectory(3, reward=0.0)])
    store.append([trajectory(4, family="sums")])
    choices = [Choice(policy="rl"), Choice(family="sums"), Choice("base", "lookup-2", True)]
    for index, choice in enumerate(choices):
        assert export(tmp_path / "store", Format.JSONL, tmp_path / f"{index}", choice).count == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reachgym": 2}, "reachgym expects the format's version, 3, got 2"),
        ({"seed": 1}, "unknown: seed"),
        ({"policy_version": True}, "policy_version expects an integer of 64 bits, got True"),
        ({"policy_version": 2**63}, "policy_version expects an integer of 64 bits"),
        ({"stop_reason": "bored"}, "stop_reason expects one of answered, "),
        ({"timings": {"model_s": 1}}, "timings expects the keys model_s, tool_s, wall_s"),
        ({"timings": {"model_s": 10**400, "tool_s": 0, "wall_s": 0}}, "fits into a double"),
        ({"opening": [{"role": "user"}]}, r"opening\[0\] expects the keys role, content"),
        ({"verdict": []}, r"verdict expects an object, got \[\]"),
        ({"env": "\ud800" * 99}, None),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_and_what_came(trajectory, change, said):
    row = json.loads(jsonl.dump(trajectory())) | change
    if said is None:
        assert jsonl.load(row).env == change["env"]
        return
    with pytest.raises(FieldError, match=said):
        jsonl.load(row)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"reachgym": 3, "key"', "expected one JSON object in UTF-8"),
        (b"\xff\xfe", "expected one JSON object in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"17", "the record expects an object, got 17"),
    ],
)
def test_a_bad_line_is_named_and_leaves_nothing_behind(tmp_path, trajectory, line, said):
    good = jsonl.dump(trajectory()).encode()
    (tmp_path / "a.jsonl").write_bytes(good + b"\n\n" + line + b"\n")
    with pytest.raises(InputError, match=rf"a\.jsonl, line 3: .*{said}") as caught:
        import_file(tmp_path / "a.jsonl", Format.JSONL, tmp_path / "store")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_lines_that_repeat_an_attempt_are_told(tmp_path, trajectory):
    line = jsonl.dump(trajectory())
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}\n")
    moved = import_file(tmp_path / "a.jsonl", Format.JSONL, tmp_path / "store")
    assert (moved.count, moved.left_out) == (1, 1)


@pytest.mark.parametrize("form", Format)
def test_nothing_is_overwritten(tmp_path, played, form):
    taken = tmp_path / "taken"
    taken.write_text("a thesis")
    for move in (lambda: export(played, form, taken), lambda: import_file(taken, form, taken)):
        with pytest.raises(InputError, match="exists already"):
            move()
    assert taken.read_text() == "a thesis"


def test_an_export_that_breaks_leaves_nothing_behind(tmp_path, trajectory):
    TrajectoryStore(tmp_path / "store").append([trajectory()])
    with pytest.raises(InputError, match="expected an environment as"):
        export(tmp_path / "store", Format.VERL, tmp_path / "out" / "rows.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_there_cannot_be_moved(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        export(tmp_path / "gone", Format.JSONL, tmp_path / "a")
    for form in Format:
        with pytest.raises(InputError, match="gone"):
            import_file(tmp_path / "gone", form, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
