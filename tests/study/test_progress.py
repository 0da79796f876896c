"""What is said while a study runs, on a terminal and in a log."""

from __future__ import annotations

import io
import time

from rich.console import Console

from reachgym.study.progress import StudyProgress


def in_log(costs):
    """A progress that writes to a log, and the log."""
    log = io.StringIO()
    return StudyProgress(costs, Console(file=log, width=200)), log


def test_no_time_left_is_told_before_anything_is_done():
    progress, _ = in_log({"a": 10.0})
    assert progress.remaining_s() is None


def test_time_left_follows_from_the_cost_left_and_the_pace():
    progress, _ = in_log({"a": 10.0, "b": 30.0})
    started = time.monotonic()
    time.sleep(1.1)
    progress.advance("a", 1.0)
    took = time.monotonic() - started
    left = progress.remaining_s()
    assert left is not None
    assert 0.5 * 3 * took < left < 1.5 * 3 * took


def test_nothing_is_left_when_everything_is_done():
    progress, _ = in_log({"a": 10.0})
    time.sleep(1.1)
    progress.advance("a", 1.0)
    progress.finish("a", "done")
    assert progress.remaining_s() == 0


def test_a_log_gets_one_plain_line_for_each_finished_job():
    progress, log = in_log({"base/seed-0": 1.0, "arm/rl/seed-0": 1.0})
    with progress:
        for step in range(50):
            progress.advance("base/seed-0", step / 50, "loss 1.0")
        progress.finish("base/seed-0", "done in 3 s")
        progress.finish("arm/rl/seed-0", "done in 4 s")
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].split() == ["0:00", "base/seed-0", "done", "in", "3", "s"]
    assert "\x1b" not in log.getvalue()


def test_a_fraction_never_goes_back_nor_beyond_the_whole():
    progress, _ = in_log({"a": 10.0})
    time.sleep(1.1)
    progress.advance("a", 7.0)
    progress.advance("a", 0.1)
    assert progress.remaining_s() == 0


def test_a_terminal_gets_bars_with_the_time_left():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with StudyProgress({"a": 1.0, "b": 1.0}, console) as progress:
        progress.advance("a", 0.5, "loss 2.5")
        time.sleep(1.1)
        progress.advance("a", 0.75, "loss 1.5")
    assert "the whole study" in screen.getvalue()
    assert "loss 1.5" in screen.getvalue()
    assert "left" in screen.getvalue()


def test_a_job_without_a_cost_does_not_break_the_display():
    progress, _ = in_log({})
    with progress:
        assert progress.remaining_s() is None
