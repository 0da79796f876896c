"""A run under every fault there is, with real kills, keeps what an undisturbed one keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "worlds"))

from breaking import FAULTS, a_place, compare, left_behind, play

EPISODES = 2000


@pytest.mark.timeout(600)
def test_under_all_faults_nothing_is_lost_doubled_or_different(tmp_path):
    with a_place(tmp_path / "place", EPISODES) as place:
        seed = sum(map(ord, "faults"))
        # Faults come until the last attempt is made; none may be left out for want of time.
        play(place, list(FAULTS), seed=seed, every_s=1.0)
        result, left = compare(place), left_behind(place)
        told = f"seed {seed}, {place.struck}, {place.told}, {result}"
        assert (result.lost, result.doubled, result.failures) == (0, 0, 0), told
        assert result.differing == (), told
        assert left == [], told
        assert place.drivers > 1, told
        assert len(place.struck) >= len(FAULTS) - 1 - (not place.small_disk), told


def test_the_comparison_sees_what_is_lost_and_what_differs(tmp_path):
    with a_place(tmp_path / "place", 40) as place:
        play(place, [], seed=0, every_s=1.0)
        place.episodes = 48
        assert compare(place).lost == 8
        place.episodes = 32
        assert len(compare(place).differing) == 8
