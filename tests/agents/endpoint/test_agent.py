"""Whole rollouts through an endpoint, against the same agent in process."""

from __future__ import annotations

import json
import pickle

import pytest
from loopback import DROP, completion, entry_of, http, message_of, streamed

from reachgym.agents.endpoint.agent import EndpointAgent, EndpointFactory
from reachgym.agents.protocol import Continuous
from reachgym.agents.scripted import oracle_agent
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.suites import family_of
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import run_attempts

ENV = "reachgym/Lookup-v0"
REF = EnvRef(ENV)


def oracle(call):
    message = family_of(ENV).oracle([message_of(entry) for entry in call.body["messages"]])
    finish = "tool_calls" if message.tool_calls else "stop"
    return [http(200, completion(entry_of(message), finish), content_type="application/json")]


def attempts(count: int) -> list[Attempt]:
    tasks = make(REF).taskset
    return [Attempt(tasks.task("train", i), REF, i, "oracle") for i in range(count)]


def told(rows) -> dict:
    return {
        row.key: (
            row.verdict,
            row.stop_reason,
            row.failure,
            [(turn.completion.message, turn.replies) for turn in row.turns],
        )
        for row in rows
    }


def test_a_rollout_through_an_endpoint_is_that_of_the_same_agent_in_process(serve, agent):
    wanted = told(run_attempts(oracle_agent(ENV), attempts(12), slots=4))
    got = told(run_attempts(agent(serve(oracle)), attempts(12), slots=4))
    assert got == wanted
    assert all(verdict.passed for verdict, *_ in got.values())


def test_one_failed_conversation_is_one_unscored_attempt(serve, agent):
    tasks = attempts(6)
    unlucky = json.dumps(tasks[2].task.prompt)

    def script(call):
        return [DROP] if unlucky in json.dumps(call.body) else oracle(call)

    rows = {row.key: row for row in run_attempts(agent(serve(script)), tasks, slots=3)}
    failed = [key for key, row in rows.items() if row.failure is not None]
    assert failed == [tasks[2].key]
    assert rows[failed[0]].failure.kind == "EndpointConnectionError"
    assert rows[failed[0]].verdict.passed is None
    assert all(row.verdict.passed for key, row in rows.items() if key not in failed)


def test_acting_in_a_batch_gives_completions_in_order(serve, agent, ask):
    server = serve(lambda call: streamed("you said " + call.body["messages"][0]["content"]))
    requests = [ask(str(i)) for i in range(20)]
    completions = agent(server, stream=True).act(
        [request.conversation for request in requests],
        [request.tools for request in requests],
        [request.limits for request in requests],
        [request.seed for request in requests],
    )
    assert [done.message.content for done in completions] == [f"you said {i}" for i in range(20)]


def test_a_factory_travels_and_builds_the_agent(serve, settings):
    factory = EndpointFactory(settings(serve(oracle)))
    built = pickle.loads(pickle.dumps(factory))()
    assert isinstance(built, EndpointAgent)
    assert isinstance(built, Continuous)
    assert built.settings == factory.settings
    assert pytest.approx(1.0) == sum(
        row.verdict.reward for row in run_attempts(built, attempts(1), slots=1)
    )
