"""The controls: fewer tools, no information, another task's information."""

import pytest

from reachgym.envs import Message, Task, ToolCall, ToolEnv, Verdict, tool
from reachgym.envs.errors import InputError, TaskError
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.workspace import Workspace
from reachgym.envs.wrappers import InformationWrapper, ToolSubset

TASKS = [
    Task(f"t{i}", f"What is secret {i}?", f"gold-{i}", files={"secret.txt": f"gold-{i}"})
    for i in range(5)
]


@tool
def reveal(workspace: Workspace) -> str:
    """Tell the secret."""
    workspace.state["asked"] = True
    return workspace.files["secret.txt"].decode()


@tool(informs=False)
def double(text: str) -> str:
    """Write a text twice.

    Args:
        text: The text.
    """
    return text * 2


@pytest.fixture
def env():
    return ToolEnv(ListTaskset(TASKS), tools=[reveal, double])


def call(name, **arguments):
    return Message("assistant", tool_calls=(ToolCall("c", name, arguments),))


def told(env, index, action=None):
    env.reset(options={"index": index})
    replies, *_ = env.step(action or call("reveal"))
    return replies[0].content


def test_only_the_chosen_tools_are_offered_and_known(env):
    subset = ToolSubset(env, ["double"])
    assert [spec.name for spec in subset.unwrapped.tool_specs] == ["double"]
    assert "there is no tool 'reveal'; the tools are: double" in told(subset, 0)
    assert told(subset, 0, call("double", text="é")) == "éé"


def test_a_tool_that_there_is_not_is_refused(env):
    with pytest.raises(InputError, match="choose from are: reveal, double; got 'revael'"):
        ToolSubset(env, ["revael"])


def test_withheld_information_is_not_told_and_computation_goes_on(env):
    withheld = InformationWrapper(env, "withheld")
    assert told(withheld, 0) == "-"
    assert told(withheld, 0, call("double", text="é")) == "éé"


def test_shuffled_information_is_another_tasks_and_the_verdict_the_tasks_own(env):
    shuffled = InformationWrapper(env, "shuffled")
    for index in range(5):
        secret = told(shuffled, index)
        assert secret.startswith("gold-")
        assert secret != f"gold-{index}"
        assert told(shuffled, index) == secret
        assert shuffled.step(Message("assistant", secret))[1] == 0.0
        told(shuffled, index)
        assert shuffled.step(Message("assistant", f"gold-{index}"))[1] == 1.0


def test_shuffling_needs_another_task_to_take_from():
    alone = InformationWrapper(ToolEnv(ListTaskset(TASKS[:1]), tools=[reveal]), "shuffled")
    with pytest.raises(TaskError, match="add one, or withhold it"):
        alone.reset()


def test_an_unknown_information_is_refused(env):
    with pytest.raises(InputError, match="full, withheld, shuffled"):
        InformationWrapper(env, "none")


def test_a_verifier_sees_what_tools_kept():
    def asked(attempt):
        passed = attempt.workspace.state.get("asked") is True
        return Verdict(float(passed), passed)

    env = ToolEnv(ListTaskset(TASKS), tools=[reveal], verifier=asked)
    told(env, 0)
    assert env.step(Message("assistant", "whatever"))[1] == 1.0
    env.reset(options={"index": 0})
    assert env.step(Message("assistant", "whatever"))[1] == 0.0
