"""A folder belongs to one bench, which may grow and not change."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import StoreError
from reachgym.study.bench.folder import BenchFolder
from reachgym.study.bench.suite import suites_of
from reachgym.study.bench.weights import weights_digest
from reachgym.study.config.bench import BenchConfig


@pytest.fixture
def opened(tmp_path):
    def open_again(content, limit=None):
        config = BenchConfig.model_validate(content)
        suites = suites_of(config, limit)
        folder = BenchFolder.open(tmp_path / "run", config, suites, limit)
        folder.record(config, suites, limit)
        return folder

    return open_again


def test_the_same_bench_continues(opened, content):
    assert opened(content).path == opened(content).path


def test_more_is_welcome(opened, content):
    opened(content)
    content["agents"]["again"] = {"kind": "random"}
    content["environments"]["more"] = {"env": "reachgym/Arithmetic-v0"}
    opened(content | {"tasks": 6, "attempts": 3})


def test_a_price_is_no_change(opened, content):
    opened(content)
    content["agents"]["oracle"]["price"] = {"input": 1, "output": 2}
    opened(content)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 7}, "'lookup' had other tasks, seeds"),
        ({"tasks": 3}, "'lookup' had 4 tasks with 2 attempts, which is more"),
        ({"attempts": 1}, "which is more"),
        ({"budgets": {"tight": {"turns": 1}}}, "another budget"),
        ({"agents": {"oracle": {"kind": "random"}}}, "the agent 'oracle' was"),
    ],
)
def test_another_bench_is_refused_and_nothing_changes(opened, content, change, told):
    folder = opened(content)
    before = (folder.path / "bench.json").read_bytes()
    with pytest.raises(StoreError, match=told):
        opened(content | change)
    assert (folder.path / "bench.json").read_bytes() == before


def test_an_agent_that_was_left_out_for_a_while_must_come_back_the_same(opened, content):
    opened(content)
    opened(content | {"agents": {"oracle": {"kind": "oracle"}}})
    with pytest.raises(StoreError, match="the agent 'random' was"):
        opened(content | {"agents": {"random": {"kind": "oracle"}}})


def test_what_was_added_may_not_be_taken_away(opened, content):
    opened(content)
    opened(content | {"attempts": 3})
    with pytest.raises(StoreError, match="4 tasks with 3 attempts, which is more"):
        opened(content)


def test_other_weights_in_the_same_folder_are_another_agent(opened, content, tmp_path):
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    (weights.parent / "config.json").write_text("{}")
    weights.write_bytes(bytes(100))
    content["agents"] = {"mine": {"kind": "checkpoint", "path": str(weights.parent)}}
    opened(content)
    (weights.parent / "training.pt").write_bytes(b"state")
    opened(content)
    weights.write_bytes(bytes(99) + b"1")
    with pytest.raises(StoreError, match=r"the agent 'mine' was {\"weights\": \"\w+\"} and is"):
        opened(content)


@pytest.mark.parametrize("place", [0, 70 * 2**20 - 1])
def test_both_ends_of_large_weights_count(tmp_path, place):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.truncate(70 * 2**20)
    before = weights_digest(tmp_path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"1")
    assert weights_digest(tmp_path) != before


def test_a_smoke_run_and_a_whole_one_do_not_mix(opened, content):
    opened(content, limit=2)
    with pytest.raises(StoreError, match="--limit 2"):
        opened(content)


def test_a_folder_of_something_else_is_left_alone(opened, content, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="no bench's folder"):
        opened(content)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 0}'])
def test_a_damaged_manifest_is_told(opened, content, text):
    folder = opened(content)
    (folder.path / "bench.json").write_text(text)
    with pytest.raises(StoreError, match=r"bench|--out"):
        opened(content)
