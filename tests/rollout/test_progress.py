"""Rates and times left, also before anything is known."""

from __future__ import annotations

from reachgym.rollout.progress import Progress


def test_the_time_left_follows_the_rate_so_far():
    progress = Progress(done=20, total=100, failed=1, elapsed_s=10.0)
    assert progress.rate == 2.0
    assert progress.eta_s == 40.0


def test_nothing_is_foretold_before_the_first_attempt_or_without_a_total():
    assert Progress(done=0, total=10, failed=0, elapsed_s=0.0).rate == 0.0
    assert Progress(done=0, total=10, failed=0, elapsed_s=1.0).eta_s is None
    assert Progress(done=5, total=None, failed=0, elapsed_s=1.0).eta_s is None
