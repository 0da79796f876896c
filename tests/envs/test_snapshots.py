"""Snapshots: an episode goes on from a moment as often as one likes, each time the same."""

import pytest

from reachgym.envs import Budget, Message, Task, ToolCall, ToolEnv, tool
from reachgym.envs.errors import EpisodeError
from reachgym.envs.milestones import Milestone, count_reached
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.tools.session import session_python_tool
from reachgym.envs.verifier import Attempt
from reachgym.envs.workspace import Workspace

TASK = Task("t", "Count.", "done", files={"n.txt": "7"})


@tool
def count(workspace: Workspace) -> str:
    """Count on."""
    total = int(str(workspace.state.get("total", 0))) + 1
    workspace.state["total"] = total
    return str(total)


def made(**kwargs):
    return ToolEnv(ListTaskset([TASK]), **{"tools": [count], **kwargs})


def call(name, **arguments):
    return Message("assistant", tool_calls=(ToolCall("c", name, arguments),))


def told(env, action):
    return env.step(action)[0][0].content


def test_every_restored_episode_goes_on_by_itself():
    env = made()
    env.reset()
    assert told(env, call("count")) == "1"
    snapshot = env.snapshot()
    assert [told(env, call("count")) for _ in range(3)] == ["2", "3", "4"]
    for _ in range(2):
        messages, info = env.restore(snapshot)
        assert [message.role for message in messages] == ["user", "assistant", "tool"]
        assert (info["task_id"], info["verdict"]) == ("t", None)
        assert [told(env, call("count")) for _ in range(2)] == ["2", "3"]
    snapshot.close()


def test_an_episode_that_is_over_can_be_gone_on_with_from_before_its_end():
    env = made()
    env.reset()
    snapshot = env.snapshot()
    env.step(Message("assistant", "wrong"))
    with pytest.raises(EpisodeError, match="call reset"):
        env.snapshot()
    env.restore(snapshot)
    assert env.step(Message("assistant", "done"))[1] == 1.0


def test_turns_and_calls_spent_before_a_snapshot_stay_spent():
    env = made(budget=Budget(turns=3, tool_calls=2))
    env.reset()
    env.step(call("count"))
    snapshot = env.snapshot()
    for _ in range(2):
        env.restore(snapshot)
        assert not env.step(call("count"))[3]
        assert env.step(call("count"))[3]


def test_another_environment_of_the_kind_can_go_on():
    env, twin = made(), made()
    env.reset()
    env.step(call("count"))
    with_count = env.snapshot()
    twin.restore(with_count)
    assert told(twin, call("count")) == told(env, call("count")) == "2"


def test_a_session_goes_on_with_its_names_and_files():
    env = made(tools=[session_python_tool])
    env.reset()
    assert told(env, call("python", code="x = open('n.txt').read(); open('m', 'w').write(x)")) in (
        "", "1"
    )  # fmt: skip
    snapshot = env.snapshot()
    env.step(call("python", code="x = 'spoilt'; import os; os.remove('m')"))
    for _ in range(2):
        env.restore(snapshot)
        assert told(env, call("python", code="print(x, open('m').read()); x = 'spoilt'")) == "7 7"
    snapshot.close()
    env.close()


def test_milestones_count_from_the_first_on_and_without_a_gap():
    attempt = Attempt(TASK, (), (), None)
    reached = [Milestone(str(i), lambda _, yes=yes: yes) for i, yes in enumerate((1, 1, 0, 1))]
    assert count_reached(reached, attempt) == 2
    assert count_reached([], attempt) == 0


def test_info_tells_how_many_milestones_are_reached():
    def has(total):
        return lambda attempt: int(str(attempt.workspace.state.get("total", 0))) >= total

    env = made(milestones=lambda _: [Milestone("one", has(1)), Milestone("two", has(2))])
    _, info = env.reset()
    reached = [info["milestones"]]
    for _ in range(3):
        *_, info = env.step(call("count"))
        reached.append(info["milestones"])
    *_, info = env.step(Message("assistant", "done"))
    assert [*reached, info["milestones"]] == [0, 1, 2, 2, 2]
