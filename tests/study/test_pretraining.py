"""The mixture of documents: what occurs, how often, and what must never occur."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.envs.errors import ConfigError
from reachgym.envs.suites.compose import apply
from reachgym.envs.suites.lookup import make_lookup
from reachgym.envs.suites.world import world
from reachgym.envs.types import Message, ToolCall
from reachgym.study.pretraining import Document, DocumentShares, PretrainingMix, documents

N = 20_000


def text_of(document: Document) -> str:
    return "".join(text for text, _ in document)


def texts(n: int = N, seed: int = 0, mix: PretrainingMix | None = None) -> list[str]:
    stream = documents(mix or PretrainingMix(), seed)
    return [text_of(document) for document in itertools.islice(stream, n)]


@pytest.fixture(scope="module")
def sample() -> list[str]:
    return texts()


def test_the_same_seed_gives_the_same_documents_and_another_seed_others():
    assert texts(500, seed=3) == texts(500, seed=3)
    assert texts(500, seed=3) != texts(500, seed=4)


def test_under_a_lookup_prompt_no_document_makes_two_calls_or_searches_over_several_hops(sample):
    lookups = [text for text in sample if text.startswith("L:")]
    for text in lookups:
        relations = text.removeprefix("L:").partition("/")[0]
        assert text.count("[") <= (1 if len(relations) == 1 else 0), text
    assert {len(text.partition("\n")[0]) for text in lookups} == {9, 10, 11}


def test_the_exposures_say_how_many_documents_of_a_family_are_shown_with_the_tool():
    mix = PretrainingMix(lookup_exposure=0.25, arithmetic_exposure=0.5)
    sample = texts(mix=mix)
    one_hop = [text for text in sample if re.match(r"L:[PQR]/[a-z]{5}\n", text)]
    products = [text for text in sample if text.startswith("A:")]
    assert sum("[s:" in text for text in one_hop) / len(one_hop) == pytest.approx(0.25, abs=0.05)
    assert sum("[p:" in text for text in products) / len(products) == pytest.approx(0.5, abs=0.05)


def test_without_exposure_no_family_prompt_ever_shows_a_call():
    mix = PretrainingMix(lookup_exposure=0.0, arithmetic_exposure=0.0)
    assert not [text for text in texts(mix=mix) if text[0] in "LAC" and "[" in text]


def test_an_explicit_chain_asks_each_question_of_the_last_answer(sample):
    lengths = Counter()
    for text in sample:
        prompt = re.match(r"X:([PQR]+)/([a-z]{5})\n", text)
        if prompt is None:
            continue
        relations, entity = prompt.groups()
        calls = re.findall(r"\[s:([a-z]{5})/([PQR])\]\{([a-z]{5})\}", text)
        assert [call[1] for call in calls] == list(relations)
        assert [call[0] for call in calls] == [entity, *(call[2] for call in calls[:-1])]
        assert text.endswith(f"={calls[-1][2]};")
        lengths[len(calls)] += 1
    assert set(lengths) == {1, 2}


def test_compositions_are_right_with_and_without_their_steps(sample):
    scratched = 0
    for text in sample:
        if not text.startswith("C:"):
            continue
        prompt, _, rest = text.partition("\n")
        start, _, operations = prompt[2:].partition("/")
        written, _, final = rest[:-1].partition("=")
        assert final == apply(start, operations)
        if written:
            steps = [apply(start, operations[: i + 1]) for i in range(len(operations) - 1)]
            assert written.split(",") == steps
            scratched += 1
    assert scratched > 0


def test_products_are_right_wherever_they_are_written(sample):
    for text in sample:
        for first, second, value in re.findall(r"\[p:(\d+)\*(\d+)\]\{(\d+)\}", text):
            assert int(first) * int(second) == int(value)


def test_results_carry_no_loss_and_what_nobody_could_know_carries_little():
    for document in itertools.islice(documents(PretrainingMix(), 0), 3000):
        for text, weight in document:
            if text.startswith("{"):
                assert weight == 0
            elif text.endswith("\n"):
                assert 0 < weight < 0.1
        if document[0][0].startswith(("L:", "A:")) and "[" not in text_of(document):
            assert 0 < document[-1][1] < 1.0


def test_every_document_can_be_written_in_the_renderers_alphabet(sample):
    renderer = TerseRenderer()
    for text in sample[:3000]:
        assert renderer.unk_id not in renderer.encode_text(text)
        assert renderer.decode(renderer.encode_text(text)) == text


def test_an_exposed_lookup_reads_like_the_episode_that_the_environment_would_play():
    env = make_lookup(difficulty=1, world_seed=0, text="terse")
    renderer = TerseRenderer()
    opening, _ = env.reset(seed=0)
    task = env.unwrapped.taskset.task("train", 0)
    opening, _ = env.reset(options={"task": task})
    relation, _, entity = task.prompt.removeprefix("L:").partition("/")
    call = Message(
        "assistant", "", (ToolCall("call_0_0", "search", {"query": f"{entity}/{relation}"}),)
    )
    replies, *_ = env.step(call)
    ids = renderer.open(opening, ()) + renderer.encode(call) + renderer.reply(replies)
    written = renderer.decode(ids[1:] + renderer.encode(Message("assistant", task.gold)))
    shape = re.sub(r"[a-z]{5}", "name", re.sub(r"[PQR]", "R", written))
    mix = PretrainingMix(shares=DocumentShares(**_only("lookup_1")), lookup_exposure=1.0)
    document = texts(1, mix=mix)[0]
    assert re.sub(r"[a-z]{5}", "name", re.sub(r"[PQR]", "R", document)) == shape


def test_the_studied_world_is_not_what_the_documents_state(sample):
    facts = world(0).facts
    stated = [
        (entity, relation, value)
        for text in sample
        for entity, relation, value in re.findall(r"\[s:([a-z]{5})/([PQR])\]\{([a-z]{5})\}", text)
    ]
    # A fact of the world can only be stated by chance, one in 26**5.
    assert sum(facts.get((entity, relation)) == value for entity, relation, value in stated) <= 1


def test_explicit_chains_have_other_heads_as_often_as_asked_and_never_a_familys():
    only_chains = DocumentShares(**_only("chain_2"))
    heads = Counter(t[0] for t in texts(5000, mix=PretrainingMix(only_chains, other_heads=0.3)))
    assert heads["X"] / heads.total() == pytest.approx(0.7, abs=0.03)
    assert not set(heads) & set("LACYPQR")
    assert {t[0] for t in texts(500, mix=PretrainingMix(only_chains, other_heads=0.0))} == {"X"}


def test_chains_under_other_heads_are_followed_as_often_as_asked_and_else_stop_after_one_call():
    only_chains = DocumentShares(**_only("chain_2"))
    mix = PretrainingMix(only_chains, other_heads=1.0, follow_through=0.25)
    calls = Counter(text.count("[s:") for text in texts(4000, mix=mix))
    assert set(calls) == {1, 2}
    assert calls[2] / calls.total() == pytest.approx(0.25, abs=0.03)
    stopped = next(text for text in texts(50, mix=mix) if text.count("[s:") == 1)
    assert stopped.endswith("={};".format(re.search(r"\{([a-z]{5})\}", stopped)[1]))


def test_shares_and_exposures_out_of_range_are_told_apart_and_refused():
    with pytest.raises(ConfigError, match="shares"):
        DocumentShares(copy=-0.1)
    with pytest.raises(ConfigError, match="scratch is a share"):
        PretrainingMix(scratch=1.5)


def _only(kind: str) -> dict[str, float]:
    return {name: float(name == kind) for name in DocumentShares.__dataclass_fields__}
