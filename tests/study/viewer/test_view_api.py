"""What the viewer's server answers, over HTTP."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager

import httpx
import pytest

from reachgym.envs.errors import ConfigError, InputError, StoreError
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.viewer.server import serving
from reachgym.study.viewer.tokens import TerseTexts, TokenizerTexts, token_texts
from reachgym.study.viewer.view import RunView

FACETS = ("env", "family", "policy", "split", "outcome", "stop_reason", "failure", "store")
OUTCOMES = {True: "passed", False: "failed", None: "unscored"}


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url) as opened:
        yield opened


@contextmanager
def viewing(run):
    """A client of the page of a run."""
    with (
        RunView(run, TerseTexts()) as view,
        serving(view) as url,
        httpx.Client(base_url=url) as opened,
    ):
        yield opened


def told(store, row):
    """What the list should say of an attempt, in plain Python."""
    try:
        env = json.loads(row.env)["id"]
    except ValueError:
        env = row.env
    return {
        "store": store,
        "env": env,
        "family": row.family,
        "split": row.split,
        "policy": row.key.policy,
        "seed": str(row.key.seed),
        "task_id": row.task_id,
        "task_hash": row.key.task_hash,
        "outcome": OUTCOMES[row.verdict.passed],
        "stop_reason": row.stop_reason.value,
        "failure": row.failure.kind if row.failure else "",
        "action_tokens": row.usage.action_tokens,
        "seconds": row.timings.wall_s,
    }


def everything(client, **asked):
    answer = client.get("api/episodes", params={"limit": 1000, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_list_has_every_attempt_once_in_the_order_of_the_stores(client, attempts):
    rows = everything(client)["rows"]
    expected = [told(store, row) for store, row in attempts]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["id"].isalnum() for row in rows)


@pytest.mark.parametrize(
    "asked",
    [
        {"policy": "rl"},
        {"policy": ["rl", "oracle"], "outcome": "passed"},
        {"split": "test", "stop_reason": "turns", "store": "one"},
        {"failure": "SandboxError"},
        {"failure": ""},
        {"env": "reachgym/Lookup-v0", "family": "lookup", "outcome": ["failed", "unscored"]},
        {"policy": "' OR 1=1 --"},
        {"policy": "gone\0"},
    ],
)
def test_a_filter_and_its_counts_are_those_of_plain_python(client, attempts, asked):
    chosen = {name: [value] if isinstance(value, str) else value for name, value in asked.items()}
    rows = [told(store, row) for store, row in attempts]

    def matching(without=None):
        return [
            row
            for row in rows
            if all(row[name] in values for name, values in chosen.items() if name != without)
        ]

    answer = everything(client, **asked)
    assert answer["total"] == len(matching())
    assert [row["seed"] for row in answer["rows"]] == [row["seed"] for row in matching()]
    for name in FACETS:
        values = [row[name] for row in matching(without=name)]
        assert dict(map(tuple, answer["facets"][name])) == {v: values.count(v) for v in set(values)}
        counts = [count for _, count in answer["facets"][name]]
        assert counts == sorted(counts, reverse=True)


def test_every_facet_value_that_is_told_finds_as_many_as_its_count(client):
    for name, values in client.get("api/run").json()["facets"].items():
        for value, count in values:
            assert everything(client, **{name: value})["total"] == count, (name, value)


@pytest.mark.parametrize(("sort", "key"), [("tokens", "action_tokens"), ("seconds", "seconds")])
@pytest.mark.parametrize("descending", [0, 1])
def test_rows_are_sorted_and_alike_ones_keep_their_order(client, attempts, sort, key, descending):
    rows = [told(store, row) for store, row in attempts]
    expected = sorted(rows, key=lambda row: -row[key] if descending else row[key])
    found = everything(client, sort=sort, desc=descending)["rows"]
    assert [row["seed"] for row in found] == [row["seed"] for row in expected]


@pytest.mark.parametrize("descending", [0, 1])
def test_what_has_no_reward_comes_last_either_way(client, descending):
    rewards = [r["reward"] for r in everything(client, sort="reward", desc=descending)["rows"]]
    assert rewards[-3:] == [None] * 3
    assert rewards[:-3] == sorted(rewards[:-3], reverse=bool(descending))


def test_pages_together_are_the_list_and_an_episode_knows_its_place(client):
    asked = {"outcome": "failed", "sort": "seconds", "desc": 1}
    ids = [row["id"] for row in everything(client, **asked)["rows"]]
    paged = [
        row["id"]
        for offset in range(0, len(ids) + 50, 50)
        for row in everything(client, **asked, offset=offset, limit=50)["rows"]
    ]
    assert paged == ids
    for place in (0, 17, len(ids) - 1):
        assert client.get(f"api/position/{ids[place]}", params=asked).json() == {
            "position": place,
            "previous": ids[place - 1] if place else None,
            "next": ids[place + 1] if place + 1 < len(ids) else None,
        }
    passed = everything(client, outcome="passed")["rows"][0]["id"]
    other = client.get(f"api/position/{passed}", params=asked).json()
    assert other == {"position": None, "previous": None, "next": None}


def test_a_task_is_found_by_its_id_and_by_its_hash(client, attempts):
    count = sum(row.task_id == "lookup/3" for _, row in attempts)
    assert everything(client, task="lookup/3")["total"] == count > 0
    assert everything(client, task="hash3")["total"] == count
    assert everything(client, task="lookup")["total"] == 0


def test_an_episode_is_told_with_its_tokens_and_the_other_attempts(client, attempts):
    row = everything(client)["rows"][3]
    episode = client.get(f"api/episode/{row['id']}").json()
    assert episode["row"] == row
    assert episode["env_spec"] == {"id": "reachgym/Lookup-v0", "kwargs": {"difficulty": 2}}
    assert episode["opening"] == [{"role": "user", "content": "Question 3?", "cut": 0}]
    first, second = episode["turns"]
    assert first["calls"][0]["name"] == "search"
    assert json.loads(first["calls"][0]["arguments"]) == {"query": "q3"}
    assert first["results"][0]["content"] == "found 3"
    assert first["reasoning"] == "thought 3"
    assert "".join(token["text"] for token in first["tokens"]) == "[s:q3]"
    assert second["content"] == "a3"
    logprobs = attempts[3][1].turns[0].completion.logprobs
    assert [token["logprob"] for token in first["tokens"]] == list(logprobs)
    hashes = {r["id"]: r["task_hash"] for r in everything(client)["rows"]}
    others = [other["id"] for other in episode["siblings"]]
    assert row["id"] not in others
    assert {hashes[other] for other in others} == {"hash3"}
    assert len(others) == sum(name == "hash3" for name in hashes.values()) - 1


def test_hostile_texts_and_numbers_come_as_json_and_unchanged(client, attempts):
    trajectory = attempts[7][1]
    row = everything(client)["rows"][7]
    assert row["reward"] is None
    answer = client.get(f"api/episode/{row['id']}")
    assert answer.content.isascii()
    episode = json.loads(answer.content, parse_constant=pytest.fail)
    turn = episode["turns"][0]
    message = trajectory.turns[0].completion.message
    assert turn["content"] == message.content
    assert json.loads(turn["calls"][0]["arguments"])["lone"] == "\ud800"
    assert turn["calls"][1]["parse_error"] == message.content
    assert [token["logprob"] for token in turn["tokens"]] == [None, None]
    assert [token["text"] for token in turn["tokens"]] == [None, None]
    assert (turn["reward"], turn["results"][0]["seconds"]) == (None, None)
    assert len(turn["results"][0]["content"]) == 100_000
    assert turn["results"][0]["cut"] == 50_000


def test_a_failure_is_told_unless_it_was_made_up_for(client):
    rows = everything(client, outcome="unscored")["rows"]
    assert [row["seed"] for row in rows] == [str(2**62 + 1000), str(2**62 + 1001)]
    failure = client.get(f"api/episode/{rows[1]['id']}").json()["failure"]
    assert failure["kind"] == "SandboxError"
    assert failure["message"].startswith("it died")


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("api/episodes?sort=size", 400, "one of order, reward"),
        ("api/episodes?desc=yes", 400, "0 or 1"),
        ("api/episodes?limit=0", 400, "from 1 to 1000"),
        ("api/episodes?limit=1001", 400, "from 1 to 1000"),
        ("api/episodes?offset=-1", 400, "offset"),
        ("api/episodes?offset=" + "9" * 5000, 400, "offset"),
        ("api/episodes?polcy=a", 400, "polcy"),
        ("api/episode/gone", 404, "'gone'"),
        ("api/gone", 404, "/api/gone"),
        ("server.py", 404, "server.py"),
        ("..%2fserver.py", 404, "server.py"),
        ("static/app.js", 404, "static"),
    ],
)
def test_what_is_asked_wrongly_is_told(client, path, status, part):
    answer = client.get(path)
    assert answer.status_code == status
    assert part in answer.json()["error"]
    assert "expected" in answer.json()["error"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.", ""])
def test_a_name_of_elsewhere_that_leads_here_is_refused(client, host):
    answer = client.get("api/run", headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert "facets" not in answer.text


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(client, host):
    assert client.get("style.css", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_reading_is_answered(client, method):
    assert client.request(method, "api/run").status_code == 405
    assert client.head("index.html").status_code == 200


@pytest.mark.parametrize("path", ["", "app.js", "api/run", "api/episode/gone", "nothing"])
def test_every_answer_forbids_what_the_page_does_not_need(client, path):
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_what_is_written_meanwhile_is_shown_when_the_page_is_loaded_again(tmp_path, attempts):
    rows = [row for _, row in attempts if row.failure is None]
    with closing(TrajectoryStore(tmp_path / "run")) as store:
        store.append(rows[:5])
        with viewing(tmp_path) as client:
            before = everything(client)["rows"]
            # So many that the writer merges what the page has read.
            for row in rows[5:40]:
                store.append([row])
            assert everything(client)["rows"] == before
            for row in before:
                assert client.get(f"api/episode/{row['id']}").json()["row"] == row
            assert client.get("api/run").json()["episodes"] == 40
            after = everything(client)["rows"]
            assert after[:5] == before
            last = client.get(f"api/episode/{after[-1]['id']}").json()
            assert last["opening"][0]["content"] == rows[39].opening[0].content


def test_the_same_attempt_in_two_stores_is_two_episodes(tmp_path, attempts):
    for name in ("a", "b"):
        with closing(TrajectoryStore(tmp_path / name)) as store:
            store.append([attempts[0][1]])
    with viewing(tmp_path) as client:
        first, second = everything(client)["rows"]
    assert second["id"] == f"{first['id']}-2"


def test_a_folder_without_a_store_is_told(tmp_path):
    with pytest.raises(InputError, match="no store at or below"):
        RunView(tmp_path, TerseTexts())


def test_an_empty_store_is_an_empty_list(tmp_path):
    TrajectoryStore(tmp_path / "run").close()
    with viewing(tmp_path) as client:
        assert everything(client)["total"] == 0
        assert client.get("api/run").json()["facets"]["policy"] == []


def test_a_damaged_shard_is_told_and_the_rest_is_shown(tmp_path, attempts):
    with closing(TrajectoryStore(tmp_path / "run")) as store:
        store.append([row for _, row in attempts[:3]])
    with viewing(tmp_path) as client:
        (shard,) = (tmp_path / "run").glob("*.parquet")
        content = shard.read_bytes()
        name = everything(client)["rows"][0]["id"]
        shard.write_bytes(content[: len(content) // 2])
        answer = client.get(f"api/episode/{name}")
        assert answer.status_code == 500
        assert "restore it from a copy" in answer.json()["error"]
    with pytest.raises(StoreError):
        RunView(tmp_path, TerseTexts())


def test_a_port_that_is_taken_is_told(view, url):
    port = int(url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConfigError, match="choose another"), serving(view, port):
        pass


def test_a_hugging_face_tokenizer_gives_the_texts(tmp_path, chat_tokenizer, attempts):
    chat_tokenizer.save_pretrained(tmp_path)
    texts = token_texts(tmp_path)
    assert isinstance(texts, TokenizerTexts)
    completion = attempts[7][1].turns[0].completion
    known, unknown = texts.of(completion, 0)
    assert known == chat_tokenizer.decode([5])
    assert unknown is None
