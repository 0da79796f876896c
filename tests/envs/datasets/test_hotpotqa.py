"""HotpotQA in its published shapes: evidence by search, answers by the official measure."""

from __future__ import annotations

import copy

import pytest

from reachgym.envs.datasets.hotpotqa import make_hotpotqa
from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.graders.short_answers import f1, normalized

ORIGINAL = [
    {
        "_id": "5a8b57f25542995d1e6f1371",
        "answer": "yes",
        "question": "Were Ada Norén and Bo Quist of the same nationality?",
        "supporting_facts": [["Ada Norén", 0], ["Bo Quist", 0]],
        "context": [
            ["Cy Tull", ["Cy Tull is an Irish painter.", " He lives in Cork."]],
            ["Ada Norén", ["Ada Norén was a Swedish director.", " She was born in 1921."]],
            ["Bo Quist", ["Bo Quist was a Swedish writer."]],
        ],
        "type": "comparison",
        "level": "hard",
    },
    {
        "_id": "5a8c7595554299585d9e36b6",
        "answer": "the Chief of Protocol",
        "question": "What position was held by the woman who played Corliss Archer?",
        "supporting_facts": [["Kiss and Tell", 0], ["Shirley Dell", 1]],
        "context": [
            ["Kiss and Tell", ["A film in which Shirley Dell plays Corliss Archer."]],
            ["Shirley Dell", ["Shirley Dell was an actress.", " She was Chief of Protocol."]],
        ],
        "type": "bridge",
        "level": "medium",
    },
]


def hub(row):
    """The shape of the Hugging Face hub."""
    titles, sentences = zip(*row["context"], strict=True)
    facts, numbers = zip(*row["supporting_facts"], strict=True)
    return {
        "id": row["_id"],
        **{field: row[field] for field in ("question", "answer", "type", "level")},
        "supporting_facts": {"title": list(facts), "sent_id": list(numbers)},
        "context": {"title": list(titles), "sentences": list(sentences)},
    }


@pytest.fixture
def env(write):
    return make_hotpotqa(held_out=write("dev.json", ORIGINAL))


def test_both_shapes_give_the_same_tasks(write, env):
    other = make_hotpotqa(held_out=write("dev.parquet", [hub(row) for row in ORIGINAL]))
    for index in range(2):
        assert other.taskset.task("held_out", index) == env.taskset.task("held_out", index)


def test_a_task_tells_the_question_and_keeps_the_rest(env):
    task = env.taskset.task("held_out", 0)
    assert (task.id, task.gold) == ("hotpotqa/5a8b57f25542995d1e6f1371", "yes")
    assert task.prompt.startswith(ORIGINAL[0]["question"])
    assert "Swedish" not in task.prompt
    assert task.metadata["supporting"] == ["Ada Norén", "Bo Quist"]
    assert task.metadata["type"] == "comparison"
    assert [env.taskset.task("held_out", index).chance for index in range(2)] == [0.5, 0]


def test_search_finds_among_the_paragraphs_of_the_episodes_own_row(env, play):
    env.reset(options={"split": "held_out", "index": 0})
    found = play.call(env, "search", query="Norén director")
    assert found.startswith("Ada Norén: Ada Norén was a Swedish director. She was born in 1921.")
    assert "Shirley" not in play.call(env, "search", query="Shirley Dell actress was")
    env.reset(options={"split": "held_out", "index": 1})
    assert "Chief of Protocol" in play.call(env, "search", query="Shirley Dell")


def test_shuffled_and_withheld_information_is_not_the_tasks_own(write, play):
    path = write("dev.json", ORIGINAL)
    for information, query, found in [
        ("withheld", "Norén", "-"),
        ("shuffled", "Norén", "-"),
        ("shuffled", "Shirley", "Shirley Dell"),
    ]:
        interface = {"tools": ["search"], "information": information}
        env = make_hotpotqa(held_out=path, interface=interface)
        env.reset(options={"split": "held_out", "index": 0})
        assert found in play.call(env, "search", query=query)


def test_without_tools_the_book_is_closed(write):
    assert (
        make_hotpotqa(held_out=write("a.json", ORIGINAL), interface={"tools": []}).tool_specs == ()
    )


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_corpus_can_be_searched_instead_or_besides(write, play, suffix):
    rows = [
        {"id": "7", "title": "Dee Vale", "text": "Dee Vale is a Welsh poet."},
        {"id": "8", "title": "Ed Ray", "text": "Ed Ray is a Manx golfer."},
    ]
    corpus, path = write(f"corpus.{suffix}", rows), write("dev.json", ORIGINAL)
    env = make_hotpotqa(held_out=path, corpus=corpus)
    assert [spec.name for spec in env.tool_specs] == ["search_corpus"]
    env.reset(options={"split": "held_out", "index": 0})
    assert play.call(env, "search_corpus", query="golfer") == "Ed Ray: Ed Ray is a Manx golfer."
    both = make_hotpotqa(
        held_out=path, corpus=corpus, interface={"tools": ["search", "search_corpus"]}
    )
    assert len(both.tool_specs) == 2


def test_a_corpus_that_is_missing_malformed_or_cannot_be_shuffled_is_refused(write):
    path = write("dev.json", ORIGINAL)
    corpus = write("corpus.jsonl", [{"title": "Dee Vale", "text": None}])
    with pytest.raises(ConfigError, match="needs a corpus"):
        make_hotpotqa(held_out=path, interface={"tools": ["search_corpus"]})
    with pytest.raises(ConfigError, match="cannot be shuffled"):
        make_hotpotqa(held_out=path, corpus=corpus, interface={"information": "shuffled"})
    with pytest.raises(TaskError, match=r"corpus\.jsonl, row 1: field 'text'"):
        make_hotpotqa(held_out=path, corpus=corpus)


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("Yes.", "yes", 1),
        ("yes, both were Swedish", "yes", 0),
        ("no", "yes", 0),
        ("no", "no answer was given", 0),
        ("The Chief of Protocol!", "chief of protocol", 1),
        ("Chief", "the Chief of Protocol", 0.5),
        ("chief chief", "Chief of Protocol", 0.4),
        ("", "Chief of Protocol", 0),
        ("the", "a", 0),
    ],
)
def test_f1_is_the_official_one(answer, gold, score):
    assert f1(answer, gold) == pytest.approx(score)


def test_normalization_is_the_official_one():
    assert normalized(" The  Cat's (an) A-Team,\nanother ") == "cats ateam another"


def test_passing_is_exact_match_and_the_reward_is_f1(env, play):
    for answer, reward, passed in [
        ("chief of protocol", 1, True),
        ("Chief", 0.5, False),
        ("nothing", 0, False),
    ]:
        verdict = play.answer(env, "held_out", 1, answer)
        assert (verdict.reward, verdict.passed) == (pytest.approx(reward), passed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("answer", None),
        ("question", 3),
        ("context", None),
        ("context", [["Ada Norén"]]),
        ("context", [["Ada Norén", "text"]]),
        ("context", {"title": ["Ada Norén"], "sentences": []}),
        ("supporting_facts", None),
        ("supporting_facts", ["Ada Norén"]),
    ],
)
def test_a_malformed_field_is_named(write, field, value):
    row = {**copy.deepcopy(ORIGINAL[0]), field: value}
    with pytest.raises(TaskError, match=rf"dev\.json, row 1: field '{field}'"):
        make_hotpotqa(held_out=write("dev.json", [row]))
