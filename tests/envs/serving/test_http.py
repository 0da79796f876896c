"""Sessions over plain HTTP: what is right is played, what is wrong is told."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

CALL = {"tool_calls": [{"id": "a", "name": "shout", "arguments": {"text": "hi"}}]}


@pytest.fixture
def url(serve):
    return serve()


def opened(url):
    return httpx.post(f"{url}/sessions").json()["session_id"]


def ask(url, session, what, body):
    return httpx.post(f"{url}/sessions/{session}/{what}", json=body, timeout=30)


def test_an_episode_from_reset_to_verdict(url, told):
    session = opened(url)
    begun = ask(url, session, "reset", {"split": "held_out", "index": 0}).json()
    assert begun["done"] is False
    (prompt,) = begun["observation"]["messages"]
    assert (prompt["role"], prompt["content"]) == ("user", "Shout it.")
    (spec,) = begun["observation"]["tool_specs"]
    assert spec["function"]["name"] == "shout"
    turn = ask(url, session, "step", {"action": CALL}).json()
    (reply,) = turn["observation"]["messages"]
    assert (reply["role"], reply["content"], reply["tool_call_id"]) == ("tool", "HI", "a")
    ended = ask(url, session, "step", {"action": {"content": "IT"}}).json()
    assert (ended["done"], ended["reward"]) == (True, 1.0)
    assert ended["observation"]["info"]["verdict"]["passed"] is True
    assert ended["observation"]["info"]["stop_reason"] == "answered"
    state = httpx.get(f"{url}/sessions/{session}/state").json()
    assert (state["step_count"], state["task_id"], state["under_way"]) == (2, "held", False)
    assert httpx.delete(f"{url}/sessions/{session}").json() == {"closed": True}
    assert told(url)["open"] == 0


def test_no_answer_says_what_the_gold_is(url):
    session = opened(url)
    texts = [
        httpx.get(f"{url}/{page}").text for page in ("metadata", "schema", "sessions", "health")
    ]
    texts.append(ask(url, session, "reset", {"split": "held_out", "index": 0}).text)
    texts.append(ask(url, session, "step", {"action": CALL}).text)
    texts.append(httpx.get(f"{url}/sessions/{session}/state").text)
    assert not any('"IT"' in text or "gold" in text for text in texts)


@pytest.mark.parametrize(
    ("what", "body", "status", "words"),
    [
        ("reset", {"sed": 1}, 400, "a reset takes episode_id, index, seed, split; got sed"),
        ("reset", {"seed": -1}, 400, "whole number from 0 on, got -1"),
        ("reset", {"seed": True}, 400, "whole number"),
        ("reset", {"split": "held_out"}, 400, "`split` and `index` together"),
        ("reset", {"split": "test", "index": 0}, 400, "expected a `split` of train"),
        ("reset", {"split": "held_out", "index": 9}, 400, "held_out"),
        ("reset", [1], 400, "as an object"),
        ("step", {"content": "x"}, 400, 'expected {"action": {...}}'),
        ("step", {"action": {"content": 1}}, 400, "expected an action"),
        ("step", {"action": {"contents": "x"}}, 400, "expected an action"),
        ("step", {"action": {"tool_calls": [{"name": "x"}]}}, 400, "expected a tool call"),
        (
            "step",
            {"action": {"tool_calls": [{"id": "a", "name": "b", "arguments": "{}"}]}},
            400,
            "",
        ),
        ("step", {"action": {"type": "call_tool", "tool_name": 1}}, 400, "tool_name"),
        ("step", {"action": {"content": "x"}}, 409, "reset"),
    ],
)
def test_a_mistake_is_told_in_words(url, what, body, status, words):
    answer = ask(url, opened(url), what, body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_what_is_no_json_is_told(url):
    session = opened(url)
    for content in (b"{", b"\xff", b"[" * 100_000):
        answer = httpx.post(f"{url}/sessions/{session}/reset", content=content)
        assert answer.status_code == 400
        assert "expected JSON" in answer.json()["error"]


def test_too_large_a_request_is_refused(url):
    body = json.dumps({"action": {"content": "x" * 5_000_000}}).encode()
    answer = httpx.post(f"{url}/sessions/{opened(url)}/step", content=body, timeout=30)
    assert answer.status_code == 413


def test_a_mistake_leaves_the_episode_as_it_was(url):
    session = opened(url)
    ask(url, session, "reset", {"split": "held_out", "index": 0})
    assert ask(url, session, "step", {"action": {"content": 3}}).status_code == 400
    assert ask(url, session, "step", {"action": {"content": "IT"}}).json()["reward"] == 1.0


def test_a_tool_that_refuses_is_an_observation_and_one_that_breaks_is_an_error(url):
    session = opened(url)
    ask(url, session, "reset", {})
    refused = {"tool_calls": [{"id": "a", "name": "shout", "arguments": {"text": "refuse"}}]}
    told = ask(url, session, "step", {"action": refused}).json()
    assert told["observation"]["info"]["results"][0]["error"] is True
    broken = {"tool_calls": [{"id": "a", "name": "shout", "arguments": {"text": "break"}}]}
    answer = ask(url, session, "step", {"action": broken})
    assert answer.status_code == 500
    assert "the tool broke" in answer.json()["error"]
    assert ask(url, session, "step", {"action": CALL}).status_code == 409
    assert ask(url, session, "reset", {}).status_code == 200


def test_a_session_that_is_none_or_closed_is_not_found(url):
    session = opened(url)
    httpx.delete(f"{url}/sessions/{session}")
    for unknown in (session, "guessed"):
        answer = ask(url, unknown, "reset", {})
        assert answer.status_code == 404
        assert "open another" in answer.json()["error"]


def test_a_full_server_says_when_to_try_again(serve, told):
    url = serve(sessions=2)
    first = opened(url)
    opened(url)
    answer = httpx.post(f"{url}/sessions")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    httpx.delete(f"{url}/sessions/{first}")
    assert opened(url)
    assert told(url) == {"open": 2, "most": 2, "opened": 3, "refused": 1, "expired": 0}


def test_an_idle_session_is_ended_and_a_used_one_is_not(serve, told, eventually):
    url = serve(idle_s=0.6)
    idle, used = opened(url), opened(url)

    # Asking for its state would use the idle one, so that only the count tells of it.
    assert eventually(
        lambda: (
            httpx.get(f"{url}/sessions/{used}/state").status_code == 200
            and told(url)["expired"] == 1
        )
    )
    assert httpx.get(f"{url}/sessions/{used}/state").status_code == 200
    assert httpx.get(f"{url}/sessions/{idle}/state").status_code == 404


def test_a_slow_tool_holds_up_its_own_session_alone(url, held):
    entered, leave = held
    slow, quick = opened(url), opened(url)
    ask(url, slow, "reset", {})
    ask(url, quick, "reset", {})
    waiting = {"tool_calls": [{"id": "a", "name": "shout", "arguments": {"text": "wait"}}]}
    answers = []
    first = threading.Thread(
        target=lambda: answers.append(ask(url, slow, "step", {"action": waiting}))
    )
    first.start()
    assert entered.wait(10)
    assert ask(url, quick, "step", {"action": CALL}).status_code == 200
    # The second request of the slow session comes after the first.
    second = threading.Thread(
        target=lambda: answers.append(ask(url, slow, "step", {"action": {"content": "HI"}}))
    )
    second.start()
    leave.set()
    first.join()
    second.join()
    assert [answer.json()["done"] for answer in answers] == [False, True]


def test_closing_a_session_that_is_busy_waits_for_its_step(url, held, told):
    entered, leave = held
    session = opened(url)
    ask(url, session, "reset", {})
    waiting = {"tool_calls": [{"id": "a", "name": "shout", "arguments": {"text": "wait"}}]}
    thread = threading.Thread(target=lambda: ask(url, session, "step", {"action": waiting}))
    thread.start()
    assert entered.wait(10)
    assert httpx.delete(f"{url}/sessions/{session}").status_code == 200
    assert told(url)["open"] == 0
    leave.set()
    thread.join()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:1"}, 200),
        ({}, 200),
    ],
)
def test_pages_of_other_sites_are_kept_out(url, headers, status):
    assert httpx.get(f"{url}/health", headers=headers).status_code == status


def test_a_token_is_asked_for(serve, monkeypatch):
    monkeypatch.setenv("TEST_SERVING_TOKEN", "open-sesame-123")
    url = serve(token_env="TEST_SERVING_TOKEN")
    assert httpx.post(f"{url}/sessions").status_code == 401
    for value, status in (("Bearer wrong", 401), ("Bearer open-sesame-123", 200)):
        answer = httpx.post(f"{url}/sessions", headers={"Authorization": value})
        assert answer.status_code == status
