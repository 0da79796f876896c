"""The live view of a run: what it says on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reachgym.rollout.progress import FleetState, Progress, WorkerState
from reachgym.study.rollout_view import RolloutView

FLEET = FleetState(
    workers=(WorkerState("10.0.0.1", False, 40, 30, 2), WorkerState("", True, 0, 0, 0)),
    queue=128,
    deaths=1,
    stale=3,
    version=2,
    failures={"SandboxError": 4, "EndpointError": 9},
)


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


def shown(console: Console) -> str:
    return console.file.getvalue()


def test_a_terminal_shows_pace_fleet_and_failures_by_cause(terminal):
    with RolloutView(terminal) as view:
        view.update(Progress(50, 500, 3, 10.0, 4_000, FLEET))
        view.update(Progress(100, 500, 13, 20.0, 24_000, FLEET))
    text = shown(terminal)
    assert "100 of 500 in 0:20, about 1:20 left" in text
    assert "5.0 attempts/s, 2,000 tokens/s" in text
    assert "30 in flight, 128 waiting, 2 workers (1 starting), 1 died, weights 2" in text
    assert "3 made anew as too old" in text
    assert "failed: 9 EndpointError, 4 SandboxError" in text


def test_the_pace_is_that_of_late_and_not_of_the_whole_run(terminal):
    with RolloutView(terminal) as view:
        for second in range(100):
            view.update(Progress(second * 100 if second < 50 else 5_000 + second, None, 0, second))
    assert view.numbers()["attempts_per_s"] == pytest.approx(1.0)


def test_a_log_gets_a_line_now_and_then_and_no_control_characters():
    log = Console(file=io.StringIO(), width=80)
    times_s = iter([0.0, 10.0, 60.0])
    view = RolloutView(log, clock=lambda: next(times_s))
    view.update(Progress(50, 500, 3, 10.0, 4_000, FLEET))
    assert shown(log) == ""
    view.update(Progress(60, None, 3, 3_700.0, 4_000, FLEET))
    assert shown(log).startswith("attempts: 60 in 1:01:40; ")
    assert shown(log).count("\n") == 1
    assert "\x1b" not in shown(log)


def test_the_same_is_told_as_numbers():
    view = RolloutView(Console(file=io.StringIO()))
    assert view.numbers()["attempts_per_s"] == 0.0
    view.update(Progress(50, 500, 3, 10.0, 4_000, FLEET))
    numbers = view.numbers()
    assert (numbers["done"], numbers["failed"], numbers["queue"]) == (50, 3, 128)
