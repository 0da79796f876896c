"""Measurement: first draws of every task, more where labels lack, and no draw twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reachgym.agents.scripted import oracle_agent, random_agent
from reachgym.envs.types import Split
from reachgym.rollout.codec import encode
from reachgym.rollout.scheduler import run_attempts
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.config.loading import load_config
from reachgym.study.config.measurement import VariantConfig
from reachgym.study.config.study import InterfaceConfig
from reachgym.study.families import Families
from reachgym.study.measure import TRAJECTORIES, Draws, Looking, measure
from reachgym.study.plan import Stopped
from reachgym.support import draws_without_success

HELD_OUT: Split = "held_out"
INTERFACE = InterfaceConfig(description="none")
FIRST = 8


class LocalLane:
    """Plays attempts in this process with a scripted agent, and notes how many."""

    def __init__(self, agent) -> None:
        self.agent = agent
        self.acting = None
        self.loaded: list[Path] = []
        self.played = 0

    def act_as(self, acting) -> None:
        self.acting = acting

    def load(self, checkpoint: Path) -> None:
        self.loaded.append(checkpoint)

    def tables(self, attempts):
        self.played += len(attempts)
        if attempts:
            yield encode(run_attempts(self.agent, attempts, slots=64))


def quiet(fraction: float, note: str) -> None:
    assert 0 <= fraction <= 1


@pytest.fixture
def families(small_config) -> Families:
    return Families(load_config(small_config))


def looking(attempts: int = 2) -> Looking:
    return Looking("who", Path("weights"), INTERFACE, VariantConfig(), attempts, 0.05)


def stage(families: Families, most: int, *, chance_bounds: bool = False) -> Callable:
    draws = [Draws("compose-2", HELD_OUT, 2, FIRST, most, chance_bounds)]
    return measure(families, draws, looking())


def test_tasks_that_are_solved_get_no_draws_beyond_the_first(families, tmp_path):
    lane = LocalLane(oracle_agent("reachgym/Compose-v0"))
    result = stage(families, 500)(lane, tmp_path, quiet)
    assert lane.loaded == [Path("weights")]
    assert lane.played == 2 * FIRST
    for row in result["counts"]:
        assert (row["n"], row["c"], row["drawn"], row["solved"]) == (FIRST, FIRST, FIRST, FIRST)


def test_tasks_that_are_never_solved_get_as_many_as_take_them_out_of_reach(families, tmp_path):
    lane = LocalLane(random_agent("reachgym/Compose-v0"))
    enough = draws_without_success(2)
    for row in stage(families, 5000)(lane, tmp_path, quiet)["counts"]:
        assert (row["n"], row["c"]) == (FIRST, 0)
        assert row["drawn"] == enough
    assert lane.played == 2 * enough


def test_no_task_gets_more_than_its_budget(families, tmp_path):
    lane = LocalLane(random_agent("reachgym/Compose-v0"))
    rows = stage(families, 20)(lane, tmp_path, quiet)["counts"]
    assert [row["drawn"] for row in rows] == [20, 20]


def test_draws_fixed_beforehand_are_recorded_as_such(families, tmp_path):
    lane = LocalLane(random_agent("reachgym/Compose-v0"))
    rows = stage(families, FIRST)(lane, tmp_path, quiet)["counts"]
    assert [(row["n"], row["drawn"]) for row in rows] == [(FIRST, 0), (FIRST, 0)]


def test_what_chance_excludes_is_not_drawn_further(families, tmp_path):
    lane = LocalLane(random_agent("reachgym/Compose-v0"))
    stage(families, 5000, chance_bounds=True)(lane, tmp_path, quiet)
    assert lane.played == 2 * FIRST


def test_an_interrupted_measurement_goes_on_without_making_a_draw_twice(families, tmp_path):
    def interrupt(fraction: float, note: str) -> None:
        if interrupted.played > 100:
            raise Stopped

    interrupted = LocalLane(random_agent("reachgym/Compose-v0"))
    with pytest.raises(Stopped):
        stage(families, 400)(interrupted, tmp_path / "a", interrupt)
    kept = len(TrajectoryStore(tmp_path / "a" / TRAJECTORIES).keys())
    assert kept > 0
    continued = LocalLane(random_agent("reachgym/Compose-v0"))
    after = stage(families, 400)(continued, tmp_path / "a", quiet)

    whole = LocalLane(random_agent("reachgym/Compose-v0"))
    assert after == stage(families, 400)(whole, tmp_path / "b", quiet)
    assert kept + continued.played == whole.played


def test_examples_are_shown_when_the_variant_asks_for_them(families, tmp_path):
    lane = LocalLane(oracle_agent("reachgym/Compose-v0"))
    draws = [Draws("compose-2", HELD_OUT, 1, 2, 2)]
    variant = VariantConfig(temperature=0.5, few_shot=["compose-2"])
    look = Looking("who", Path("weights"), INTERFACE, variant, 2, 0.05)
    measure(families, draws, look)(lane, tmp_path, quiet)
    assert lane.acting.variant.temperature == 0.5
    (example,) = lane.acting.examples
    (shown,) = families.first("compose-2", "train", 1)
    assert example.opening[-1].content == shown.prompt
    assert example.exchanges[-1].completion.message.content == shown.gold
