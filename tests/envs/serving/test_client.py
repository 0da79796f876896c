"""A remote environment plays as a local one does."""

from __future__ import annotations

import signal
import time

import gymnasium
import pytest

from reachgym.envs.errors import ActionError, EpisodeError, InfrastructureError, InputError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.serving.client import RemoteEnv
from reachgym.envs.suites import families
from reachgym.envs.types import Message, ToolCall


def timeless(info):
    """An info without what differs from one run to the next."""
    results = [(r.call_id, r.content, r.error, r.truncated) for r in info["results"]]
    return {**info, "results": results}


def played(env, oracle, **reset):
    """Everything that an oracle sees of an episode."""
    messages, info = env.reset(**reset)
    seen = [messages, timeless(info), env.tool_specs]
    history, over = list(messages), False
    while not over:
        action = oracle(tuple(history))
        replies, reward, terminated, truncated, info = env.step(action)
        seen.append((replies, reward, terminated, truncated, timeless(info)))
        history += [action, *replies]
        over = terminated or truncated
    return seen


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_an_oracle_sees_the_same_far_and_near(serve, family):
    kwargs = {"difficulty": family.difficulties[0]}
    near = make(EnvRef(family.id, kwargs))
    far = RemoteEnv(serve(family.id, kwargs))
    for reset in ({"seed": 5}, {"options": {"split": "held_out", "index": 1}}):
        assert played(far, family.oracle, **reset) == played(near, family.oracle, **reset)
    far.close()
    near.close()


def test_it_is_an_environment_of_gymnasium(serve):
    env = RemoteEnv(serve())
    assert isinstance(env, gymnasium.Env)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.action_space.sample() in env.action_space
    env.close()


def test_its_mistakes_are_those_of_a_local_one(serve, answer):
    env = RemoteEnv(serve())
    with pytest.raises(EpisodeError, match="call reset"):
        env.step(answer)
    with pytest.raises(InputError, match="a reset takes"):
        env.reset(options={"tasks": 1})
    env.reset(options={"split": "held_out", "index": 0})
    with pytest.raises(ActionError, match="'assistant'"):
        env.step(Message("user", "x"))
    env.step(answer)
    with pytest.raises(EpisodeError, match="call reset"):
        env.step(answer)
    env.close()


def test_a_tool_that_breaks_ends_the_episode_and_not_the_session(serve):
    env = RemoteEnv(serve())
    env.reset()
    with pytest.raises(InfrastructureError, match="the tool broke"):
        env.step(Message("assistant", tool_calls=(ToolCall("a", "shout", {"text": "break"}),)))
    with pytest.raises(EpisodeError):
        env.step(Message("assistant", "x"))
    env.reset()
    env.close()


def test_a_lost_session_is_told_and_a_reset_begins_another(serve):
    env = RemoteEnv(serve(idle_s=0.3))
    env.reset()
    time.sleep(1)
    with pytest.raises(InfrastructureError, match="there is no such session"):
        env.step(Message("assistant", "x"))
    messages, _ = env.reset()
    assert messages
    env.close()


def test_closing_ends_the_session(serve, told):
    url = serve()
    env = RemoteEnv(url)
    env.reset()
    assert told(url)["open"] == 1
    env.close()
    env.close()
    assert told(url)["open"] == 0


def test_a_server_that_is_gone_is_told(command):
    process, url = command("reachgym/Compose-v0")
    env = RemoteEnv(url)
    env.reset(seed=0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(InfrastructureError, match="gave no answer"):
        env.step(Message("assistant", "x"))
    env.close()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ws://127.0.0.1:8000", ""])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(InputError, match="expected a URL"):
        RemoteEnv(url)


def test_it_shows_its_token(serve, monkeypatch):
    monkeypatch.setenv("TEST_SERVING_TOKEN", "open-sesame-123")
    url = serve(token_env="TEST_SERVING_TOKEN")
    env = RemoteEnv(url, token_env="TEST_SERVING_TOKEN")
    env.reset()
    env.close()
    with pytest.raises(InfrastructureError, match="token"):
        RemoteEnv(url).reset()
