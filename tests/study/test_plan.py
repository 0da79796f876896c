"""The executor: order, needs, lanes in parallel, the first error, and what is done already."""

from __future__ import annotations

import io
import os
import signal
import threading
import time

import pytest
from rich.console import Console

from reachgym.study.config.loading import load_config
from reachgym.study.folder import StudyFolder
from reachgym.study.plan import Executor, Job
from reachgym.study.progress import StudyProgress
from reachgym.study.tracking import Tracking

WAIT_S = 20.0


@pytest.fixture
def folder(small_config, tmp_path):
    return StudyFolder.open(tmp_path / "out", load_config(small_config))


def execute(jobs, folder, lanes=1, open_lane=lambda: "lane"):
    progress = StudyProgress({job.name: job.cost for job in jobs}, Console(file=io.StringIO()))
    with progress:
        Executor(jobs, folder, progress, Tracking(folder.path)).run([open_lane] * lanes)


def note(log, name, needs=()):
    """A job that writes its name down."""

    def run(lane, stage, advance):
        advance(0.5, "half")
        log.append(name)
        return {"lane": lane}

    return Job(name, needs, 1.0, run)


def test_jobs_run_in_order_on_one_lane_and_leave_their_results(folder):
    log = []
    execute([note(log, "a"), note(log, "b"), note(log, "c")], folder)
    assert log == ["a", "b", "c"]
    assert folder.result("b")["lane"] == "lane"
    assert folder.result("b")["stage_s"] >= 0


def test_a_job_waits_for_what_it_needs_and_lets_others_go_first(folder):
    log = []
    execute([note(log, "c", needs=("b",)), note(log, "a"), note(log, "b")], folder)
    assert log == ["a", "b", "c"]


def test_as_many_jobs_run_at_once_as_there_are_lanes(folder):
    together = threading.Barrier(2)

    def meet(lane, stage, advance):
        together.wait(WAIT_S)
        return {}

    execute([Job("a", (), 1.0, meet), Job("b", (), 1.0, meet)], folder, lanes=2)
    assert folder.result("a") is not None
    assert folder.result("b") is not None


def test_a_lane_that_finds_nothing_ready_waits_for_the_other(folder):
    log = []
    jobs = [note(log, "a"), note(log, "b", ("a",)), note(log, "c", ("a",)), note(log, "d", ("b",))]
    execute(jobs, folder, lanes=2)
    assert sorted(log) == ["a", "b", "c", "d"]
    assert log.index("b") < log.index("d")


def test_finished_jobs_are_skipped_and_count_as_done_for_others(folder):
    folder.begin("a")
    folder.finish("a", {"kept": True})
    log = []
    execute([note(log, "a"), note(log, "b", needs=("a",))], folder)
    assert log == ["b"]
    assert folder.result("a") == {"kept": True}


def test_the_first_error_is_raised_and_stops_the_other_lane(folder):
    running = threading.Event()
    stopped = threading.Event()

    def fail(lane, stage, advance):
        running.wait(WAIT_S)
        raise ValueError("the first")

    def go_on(lane, stage, advance):
        running.set()
        try:
            for _ in range(int(WAIT_S * 100)):
                advance(0.1, "")
                time.sleep(0.01)
        except BaseException:
            stopped.set()
            raise
        return {}

    log = []
    jobs = [Job("a", (), 1.0, fail), Job("b", (), 1.0, go_on), note(log, "c")]
    with pytest.raises(ValueError, match="the first"):
        execute(jobs, folder, lanes=2)
    assert stopped.is_set()
    assert log == []
    assert [folder.result(name) for name in "abc"] == [None, None, None]


def test_what_a_lane_raises_as_it_opens_is_raised(folder):
    def refuse():
        raise OSError("no lane")

    with pytest.raises(OSError, match="no lane"):
        execute([note([], "a")], folder, open_lane=refuse)


def test_what_was_finished_before_an_error_is_kept_and_not_run_again(folder):
    log = []

    def fail(lane, stage, advance):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        execute([note(log, "a"), Job("b", ("a",), 1.0, fail)], folder)
    execute([note(log, "a"), note(log, "b", ("a",))], folder)
    assert log == ["a", "b"]


def test_an_interrupt_stops_the_jobs_and_leaves_them_unfinished(folder, ctrl_c):
    ended = threading.Event()

    def interrupt(lane, stage, advance):
        os.kill(os.getpid(), signal.SIGINT)
        try:
            for _ in range(int(WAIT_S * 100)):
                advance(0.1, "")
                time.sleep(0.3)
        finally:
            ended.set()
        return {}

    log = []
    with pytest.raises(KeyboardInterrupt):
        execute([note(log, "a"), Job("b", (), 1.0, interrupt), note(log, "c")], folder)
    assert ended.is_set()
    assert log == ["a"]
    assert folder.result("a") is not None
    assert folder.result("b") is None
    assert folder.result("c") is None
