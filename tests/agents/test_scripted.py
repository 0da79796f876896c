"""Scripted agents: a function of the conversation and the seed, one completion each."""

import gymnasium
import pytest

from reachgym.agents.protocol import Completion, Conversation, Exchange, FinishReason, Limits
from reachgym.agents.scripted import ScriptedAgent, oracle_agent, random_agent
from reachgym.envs import Message, Task, register
from reachgym.envs.errors import ConfigError, InputError


def asked(prompt, *exchanges):
    return Conversation((Message("user", prompt),), exchanges)


def act(agent, conversations, seeds):
    n = len(conversations)
    return agent.act(conversations, [()] * n, [Limits()] * n, seeds)


def test_the_script_sees_each_conversation_with_its_own_seed():
    agent = ScriptedAgent(lambda messages, seed: Message("assistant", f"{len(messages)} {seed}"))
    later = asked("b", Exchange(Completion(Message("assistant", "x")), (Message("tool", "y"),)))
    completions = act(agent, [asked("a"), later], [5, 6])
    assert [c.message.content for c in completions] == ["1 5", "3 6"]
    assert {c.finish for c in completions} == {FinishReason.STOP}
    assert {c.sampled_ids for c in completions} == {()}


def test_the_oracle_of_lookup_asks_for_one_hop_after_the_other():
    agent = oracle_agent("reachgym/Lookup-v0")
    first = act(agent, [asked("L:RQ/abcd")], [0])[0]
    second = act(agent, [asked("L:RQ/abcd", Exchange(first, (Message("tool", "wxyz"),)))], [0])[0]
    calls = [completion.message.tool_calls[0] for completion in (first, second)]
    assert [call.arguments["query"] for call in calls] == ["abcd/R", "wxyz/Q"]
    assert calls[0].id != calls[1].id


def test_the_random_agent_is_random_by_its_seed_alone():
    agent = random_agent("reachgym/Compose-v0")
    same = act(agent, [asked("C:abcd/rs")] * 3, [1, 1, 2])
    answers = [completion.message.content for completion in same]
    assert answers[0] == answers[1] != answers[2]
    assert {len(text) for text in answers} == {4}


def test_an_environment_of_no_family_is_refused():
    with pytest.raises(InputError, match="there is no environment 'mine/Own-v0'"):
        oracle_agent("mine/Own-v0")
    with pytest.raises(ConfigError, match="mine/Own-v0"):
        random_agent("mine/Own-v0")


def test_an_oracle_of_ones_own_is_played_and_one_that_lacks_is_asked_for():
    task = Task("t", "?", "42")
    register("mine/Solved-v0", tasks=[task], oracle=lambda messages: Message("assistant", "42"))
    register("mine/Open-v0", tasks=[task])
    assert act(oracle_agent("mine/Solved-v0"), [asked("?")], [0])[0].message.content == "42"
    with pytest.raises(ConfigError, match="registered with an oracle; got 'mine/Open-v0'"):
        oracle_agent("mine/Open-v0")
    del gymnasium.registry["mine/Solved-v0"], gymnasium.registry["mine/Open-v0"]


def test_an_id_that_names_its_module_is_the_same_family():
    agent = oracle_agent("reachgym.envs.suites:reachgym/Compose-v0")
    assert act(agent, [asked("C:abcd/r")], [0])[0].message.content == "dcba"
