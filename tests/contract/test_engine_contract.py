"""The contract of engines: each turn comes back once, as the agent would take it alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from reachgym.agents.batch_engine import BatchEngine
from reachgym.agents.protocol import (
    Agent,
    Completion,
    Conversation,
    Engine,
    Exchange,
    Limits,
    Request,
)
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.sampling import Decoding
from reachgym.agents.scripted import ScriptedAgent
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.types import Message

Open = Callable[[Callable[[], None]], Engine]
WAIT_S = 20.0


def scripted() -> tuple[Agent, Open]:
    agent = ScriptedAgent(lambda messages, seed: Message("assistant", f"{len(messages)} {seed}"))
    return agent, lambda wake: BatchEngine(agent)


def transformers() -> tuple[Agent, Open]:
    model = build_tiny(
        TinyConfig(hidden=24, layers=2, heads=2, mlp=32), TerseRenderer.vocab_size, seed=3
    )
    policy = TransformersPolicy(
        model, TerseRenderer(), decoding=Decoding(temperature=0.0), max_batch=3
    )
    return policy, policy.engine


@pytest.fixture(params=[scripted, transformers], ids=lambda made: made.__name__)
def made(request) -> tuple[Agent, Open]:
    return request.param()


def ask(number: int, turns: int = 0, agent: Agent | None = None) -> Request:
    """The request of a conversation's turn, after turns that the agent took by itself."""
    conversation = Conversation((Message("user", f"L1:abcd/{number}"),))
    for turn in range(turns):
        request = Request(conversation, (), Limits(action_tokens=4 + number), 100 * turn + number)
        exchange = Exchange(alone(agent, request), (Message("tool", "ab" * turn),))
        conversation = Conversation(conversation.opening, (*conversation.exchanges, exchange))
    return Request(conversation, (), Limits(action_tokens=4 + number), 100 * turns + number)


def alone(agent: Agent, request: Request) -> Completion:
    (completion,) = agent.act(
        [request.conversation], [request.tools], [request.limits], [request.seed]
    )
    return completion


def told(completion: Completion) -> tuple:
    """A completion without its seconds, and its log-probabilities up to rounding."""
    return (
        completion.message,
        completion.finish,
        completion.prompt_ids,
        completion.sampled_ids,
        [round(logprob, 4) for logprob in completion.logprobs],
    )


class Driver:
    """Steps an engine and waits for it where it has nothing to do."""

    def __init__(self, open_engine: Open) -> None:
        self._woken = threading.Event()
        self.engine = open_engine(self._woken.set)
        self.answered: dict[int, Completion] = {}

    def run_until(self, tickets: set[int]) -> None:
        while not tickets <= set(self.answered):
            if self.engine.idle:
                assert self._woken.wait(WAIT_S), "idle, with turns that were asked for"
                self._woken.clear()
            for ticket, completion in self.engine.step():
                assert ticket not in self.answered
                assert isinstance(completion, Completion), completion
                self.answered[ticket] = completion


def test_an_engine_that_was_asked_nothing_is_idle_and_returns_nothing(made):
    driver = Driver(made[1])
    assert driver.engine.idle
    assert driver.engine.step() == []


def test_every_turn_comes_back_once_as_the_agent_takes_it_alone(made):
    agent, open_engine = made
    driver = Driver(open_engine)
    for ticket in range(9):
        driver.engine.submit(ticket, ask(ticket))
    driver.run_until(set(range(9)))
    assert driver.engine.idle
    for ticket, completion in driver.answered.items():
        assert told(completion) == told(alone(agent, ask(ticket)))


def test_turns_may_be_asked_for_while_others_are_under_way(made):
    agent, open_engine = made
    driver = Driver(open_engine)
    for ticket in range(6):
        driver.engine.submit(ticket, ask(ticket))
        driver.answered |= dict(driver.engine.step())
    driver.run_until(set(range(6)))
    for ticket, completion in driver.answered.items():
        assert told(completion) == told(alone(agent, ask(ticket)))


def test_later_turns_of_a_conversation_are_those_of_its_whole_history(made):
    agent, open_engine = made
    driver = Driver(open_engine)
    for turn in range(4):
        for ticket in range(5):
            driver.engine.submit(ticket, ask(ticket, turn, agent))
        driver.answered.clear()
        driver.run_until(set(range(5)))
        for ticket, completion in driver.answered.items():
            assert told(completion) == told(alone(agent, ask(ticket, turn, agent)))


def test_a_turn_that_is_forgotten_never_comes_back(made):
    driver = Driver(made[1])
    for ticket in range(6):
        driver.engine.submit(ticket, ask(ticket))
    for ticket in (0, 4, 5):
        driver.engine.forget(ticket)
    driver.run_until({1, 2, 3})
    assert driver.engine.idle
    assert set(driver.answered) == {1, 2, 3}


def test_forgetting_what_was_never_asked_for_does_nothing(made):
    driver = Driver(made[1])
    driver.engine.forget(7)
    driver.engine.submit(1, ask(1))
    driver.run_until({1})
    driver.engine.forget(1)
    driver.engine.forget(1)


def test_a_closed_engine_has_forgotten_everything_and_may_be_closed_again(made):
    driver = Driver(made[1])
    for ticket in range(3):
        driver.engine.submit(ticket, ask(ticket))
    driver.engine.close()
    driver.engine.close()
    assert driver.engine.idle
