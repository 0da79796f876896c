"""Recording: a line an episode, whole or not at all."""

import json
import threading

import pytest

from reachgym.envs import Message, ToolCall, ToolEnv
from reachgym.envs.errors import InputError
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.wrappers import RecordEpisodes

SHOUT = Message("assistant", tool_calls=(ToolCall("c", "shout", {"text": "é\u2028"}),))


@pytest.fixture
def env(tasks, tools):
    return ToolEnv(ListTaskset(tasks), tools=tools)


def play(env, index):
    env.reset(options={"index": index})
    env.step(SHOUT)
    env.step(Message("assistant", f"gold-{index}"))


def test_a_finished_episode_is_a_line(env, tmp_path):
    path = tmp_path / "episodes.jsonl"
    recorded = RecordEpisodes(env, path)
    play(recorded, 3)
    (row,) = map(json.loads, path.read_text().splitlines())
    assert (row["task_id"], row["stop_reason"], row["rewards"]) == ("t3", "answered", [0.0, 1.0])
    assert row["verdict"]["passed"] is True
    assert [message["role"] for message in row["messages"]] == [
        "user", "assistant", "tool", "assistant"
    ]  # fmt: skip
    assert row["messages"][1]["tool_calls"][0]["arguments"] == {"text": "é\u2028"}
    assert row["results"][0]["content"] == "É\u2028"


def test_an_episode_without_an_end_leaves_nothing(env, tmp_path):
    recorded = RecordEpisodes(env, tmp_path / "episodes.jsonl")
    recorded.reset(options={"index": 0})
    recorded.step(SHOUT)
    recorded.reset(options={"index": 1})
    recorded.close()
    assert list(tmp_path.iterdir()) == []


def test_lines_of_several_environments_do_not_mix(tasks, tools, tmp_path):
    path = tmp_path / "episodes.jsonl"

    def work():
        env = RecordEpisodes(ToolEnv(ListTaskset(tasks), tools=tools), path)
        for _ in range(50):
            play(env, 0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["task_id"] for row in rows] == ["t0"] * 200


def test_a_folder_that_is_not_there_is_refused(env, tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        RecordEpisodes(env, tmp_path / "missing" / "episodes.jsonl")
