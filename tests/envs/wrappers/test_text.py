"""The text face: what a text means, and what an agent reads."""

from __future__ import annotations

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from reachgym.envs import Message, ToolCall, make, register
from reachgym.envs.errors import ActionError, InputError
from reachgym.envs.wrappers import TextWrapper, parse_text


@pytest.fixture
def env(tasks, tools):
    register("test_wrappers/Text-v0", tasks=tasks, tools=tools, system_prompt="Be brief.")
    yield TextWrapper(make("test_wrappers/Text-v0"))
    del gymnasium.registry["test_wrappers/Text-v0"]


@pytest.mark.parametrize("text", ["42", "", " {1, 2} ", '{"x": 1}', '["name"]', "漢字 🙂", "NaN"])
def test_a_text_that_is_no_call_is_the_answer_as_it_stands(text):
    assert parse_text(text, 0) == Message("assistant", text)


def test_an_object_with_a_name_is_a_call():
    call = ToolCall("call_3", "shout", {"text": "é"})
    text = ' {"name": "shout", "arguments": {"text": "\\u00e9"}}\n'
    assert parse_text(text, 3) == Message("assistant", tool_calls=(call,))
    assert parse_text('{"name": "look"}', 0).tool_calls[0].arguments == {}


def test_what_begins_like_a_call_and_is_none_is_a_malformed_call():
    message = parse_text('{"name": "shout", "arguments": {"text": }', 0)
    assert "no JSON object" in message.tool_calls[0].parse_error


def test_the_opening_tells_the_task_and_the_tools(env):
    opening, info = env.reset(options={"index": 3})
    assert opening.startswith("Be brief.\n\nWhat follows 3?\n\nTo call a tool")
    assert "shout: Write a text in capitals." in opening
    assert info["task_id"] == "t3"


def test_without_tools_the_opening_is_the_task_alone(tasks):
    register("test_wrappers/Toolless-v0", tasks=tasks)
    opening, _ = TextWrapper(make("test_wrappers/Toolless-v0")).reset(options={"index": 3})
    assert opening == "What follows 3?"


def test_an_episode_in_texts(env):
    env.reset(options={"index": 3})
    text, reward, terminated, truncated, _ = env.step(
        '{"name": "shout", "arguments": {"text": "é"}}'
    )
    assert (text, reward, terminated, truncated) == ("É", 0.0, False, False)
    assert "no JSON object" in env.step('{"name": ')[0]
    assert "as an object" in env.step('{"name": "shout", "arguments": [1]}')[0]
    text, reward, terminated, truncated, info = env.step("gold-3")
    assert (text, reward, terminated, truncated) == ("", 1.0, True, False)
    assert info["verdict"].passed


def test_the_parser_can_be_another(tasks, tools):
    register("test_wrappers/Parser-v0", tasks=tasks, tools=tools)
    env = TextWrapper(
        make("test_wrappers/Parser-v0"), parse=lambda text, turn: Message("assistant", text[1:])
    )
    env.reset(options={"index": 3})
    assert env.step("=gold-3")[1] == 1.0


def test_an_action_that_is_no_text_is_refused(env):
    env.reset()
    with pytest.raises(ActionError, match="got Message"):
        env.step(Message("assistant", "42"))


def test_only_a_tool_environment_has_a_text_face():
    with pytest.raises(InputError, match="got CartPoleEnv"):
        TextWrapper(gymnasium.make("CartPole-v1"))


@pytest.mark.filterwarnings("error", "ignore:.*different from the unwrapped version")
def test_it_passes_the_checker_of_gymnasium(env):
    check_env(env)


def test_it_runs_in_vectors():
    vector = gymnasium.make_vec(
        "reachgym/Compose-v0", num_envs=2, vectorization_mode="sync", wrappers=[TextWrapper]
    )
    texts, _ = vector.reset(seed=0)
    assert all(text.startswith("Take the text") for text in texts)
    assert vector.step(("é", "ü"))[2].all()
    vector.close()
