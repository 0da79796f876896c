"""The contract of engines: each turn comes back once, as the agent would take it alone."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
from letters import Tell, letters
from loopback import Call, LoopbackServer

from reachgym.agents.batch_engine import BatchEngine
from reachgym.agents.endpoint.agent import EndpointAgent
from reachgym.agents.endpoint.dialects import Server
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.agents.protocol import (
    Agent,
    Completion,
    Conversation,
    Engine,
    Exchange,
    FinishReason,
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
Serve = Callable[[Callable[[Call], list[bytes]]], LoopbackServer]
WAIT_S = 20.0


def scripted(serve: Serve) -> tuple[Agent, Open]:
    agent = ScriptedAgent(lambda messages, seed: Message("assistant", f"{len(messages)} {seed}"))
    return agent, lambda wake: BatchEngine(agent)


def transformers(serve: Serve) -> tuple[Agent, Open]:
    model = build_tiny(
        TinyConfig(hidden=24, layers=2, heads=2, mlp=32), TerseRenderer.vocab_size, seed=3
    )
    policy = TransformersPolicy(
        model, TerseRenderer(), decoding=Decoding(temperature=0.0), max_batch=3
    )
    return policy, policy.engine


def endpoint_with_ids(serve: Serve) -> tuple[Agent, Open]:
    return endpoint(serve, Tell.IDS)


def endpoint_with_counts(serve: Serve) -> tuple[Agent, Open]:
    return endpoint(serve, Tell.COUNTS)


def endpoint(serve: Serve, tell: Tell) -> tuple[Agent, Open]:
    def answer(call: Call) -> Message:
        return Message("assistant", f"{len(call.body['messages'])} {call.body['seed']}")

    server = serve(letters(answer, tell))
    agent = EndpointAgent(
        EndpointSettings(server.url, "m", Server.VLLM, api_key_env=None, stream=False)
    )
    return agent, agent.engine


KNOWING_TOKENS = [transformers, endpoint_with_ids, endpoint_with_counts]


@pytest.fixture(params=[scripted, *KNOWING_TOKENS], ids=lambda made: made.__name__)
def made(request, serve) -> tuple[Agent, Open]:
    return request.param(serve)


@pytest.fixture(params=KNOWING_TOKENS, ids=lambda made: made.__name__)
def made_with_tokens(request, serve) -> tuple[Agent, Open]:
    return request.param(serve)


@pytest.fixture
def drive() -> Iterator[Callable[[Open], Driver]]:
    """Drives engines, and closes them at the end."""
    drivers: list[Driver] = []

    def start(open_engine: Open) -> Driver:
        drivers.append(Driver(open_engine))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.engine.close()


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
        completion.counts,
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


def test_an_engine_that_was_asked_nothing_is_idle_and_returns_nothing(made, drive):
    driver = drive(made[1])
    assert driver.engine.idle
    assert driver.engine.step() == []


def test_every_turn_comes_back_once_as_the_agent_takes_it_alone(made, drive):
    agent, open_engine = made
    driver = drive(open_engine)
    for ticket in range(9):
        driver.engine.submit(ticket, ask(ticket))
    driver.run_until(set(range(9)))
    assert driver.engine.idle
    for ticket, completion in driver.answered.items():
        assert told(completion) == told(alone(agent, ask(ticket)))


def test_turns_may_be_asked_for_while_others_are_under_way(made, drive):
    agent, open_engine = made
    driver = drive(open_engine)
    for ticket in range(6):
        driver.engine.submit(ticket, ask(ticket))
        driver.answered |= dict(driver.engine.step())
    driver.run_until(set(range(6)))
    for ticket, completion in driver.answered.items():
        assert told(completion) == told(alone(agent, ask(ticket)))


def test_later_turns_of_a_conversation_are_those_of_its_whole_history(made, drive):
    agent, open_engine = made
    driver = drive(open_engine)
    for turn in range(4):
        for ticket in range(5):
            driver.engine.submit(ticket, ask(ticket, turn, agent))
        driver.answered.clear()
        driver.run_until(set(range(5)))
        for ticket, completion in driver.answered.items():
            assert told(completion) == told(alone(agent, ask(ticket, turn, agent)))


def test_a_turn_that_is_forgotten_never_comes_back(made, drive):
    driver = drive(made[1])
    for ticket in range(6):
        driver.engine.submit(ticket, ask(ticket))
    for ticket in (0, 4, 5):
        driver.engine.forget(ticket)
    driver.run_until({1, 2, 3})
    assert driver.engine.idle
    assert set(driver.answered) == {1, 2, 3}


def test_forgetting_what_was_never_asked_for_does_nothing(made, drive):
    driver = drive(made[1])
    driver.engine.forget(7)
    driver.engine.submit(1, ask(1))
    driver.run_until({1})
    driver.engine.forget(1)
    driver.engine.forget(1)


def test_a_closed_engine_has_forgotten_everything_and_may_be_closed_again(made, drive):
    driver = drive(made[1])
    for ticket in range(3):
        driver.engine.submit(ticket, ask(ticket))
    driver.engine.close()
    driver.engine.close()
    assert driver.engine.idle


def test_tokens_are_counted_whether_or_not_there_are_ids(made_with_tokens, drive):
    agent, open_engine = made_with_tokens
    driver = drive(open_engine)
    request = ask(4, 3, agent)
    tallies = [
        Conversation(request.conversation.opening, request.conversation.exchanges[:turns]).tally
        for turns in range(4)
    ]
    driver.engine.submit(0, request)
    driver.run_until({0})
    tallies.append(tallies[-1].after(driver.answered[0]))
    for before, after in itertools.pairwise(tallies):
        sampled = after.sampled - before.sampled
        assert 0 < sampled <= 8
        assert after.context > before.context + sampled


def test_a_turn_that_may_spend_nothing_samples_nothing(made_with_tokens, drive):
    agent, open_engine = made_with_tokens
    driver = drive(open_engine)
    conversation = ask(0, 1, agent).conversation
    bounds = [Limits(action_tokens=0), Limits(context_tokens=conversation.tally.context)]
    for ticket, limits in enumerate(bounds):
        driver.engine.submit(ticket, Request(conversation, (), limits, 0))
    driver.run_until({0, 1})
    ends = [driver.answered[ticket].finish for ticket in range(2)]
    assert ends == [FinishReason.ACTION_TOKENS, FinishReason.CONTEXT_TOKENS]
    assert all(
        conversation.tally.after(done).sampled == conversation.tally.sampled
        for done in driver.answered.values()
    )
