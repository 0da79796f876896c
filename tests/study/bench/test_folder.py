"""A folder belongs to one bench, which may grow and not change."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import StoreError
from reachgym.study.bench.folder import BenchFolder
from reachgym.study.bench.suite import suites_of
from reachgym.study.config.bench import BenchConfig


@pytest.fixture
def opened(tmp_path):
    def open_again(content, limit=None):
        config = BenchConfig.model_validate(content)
        return BenchFolder.open(tmp_path / "run", config, suites_of(config, limit), limit)

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
