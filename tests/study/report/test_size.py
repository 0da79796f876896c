"""The page of a large study: still small enough to send, and drawn while one waits."""

import time

from reachgym.study.report.html import render

MOST_BYTES = 6_000_000
MOST_CPU_S = 20


def test_a_large_study_fits_a_page_that_one_can_send(large):
    assert len(large.setting.policies) == 18
    assert len(large.measurements) == 18 * 6 * 24 * 3
    started = time.process_time()
    page = render(large)
    assert time.process_time() - started < MOST_CPU_S
    assert len(page.encode()) < MOST_BYTES
    assert "The first 300 of 432 rows; results.json holds all." in page
