"""`reachgym doctor`: every level is tried, and what is missing comes with how to get it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from reachgym.envs.sandbox.levels import Level
from reachgym.envs.sandbox.probe import probe
from reachgym.study.cli import app
from reachgym.study.cli_doctor import run_doctor

NOWHERE = "an-image-that-is-nowhere"


def test_every_level_is_tried_and_the_default_decides_the_status() -> None:
    ran = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    for level in Level:
        assert level in ran.stdout
    assert ran.exit_code == (0 if probe(Level.NAMESPACES).works else 1)


@pytest.mark.parametrize("level", [Level.DOCKER, Level.DOCKER_GVISOR])
def test_a_level_that_is_missing_is_told_with_its_reason_and_its_remedy(level: Level) -> None:
    told = io.StringIO()
    run_doctor(Console(file=told, width=10_000), NOWHERE)
    why, remedy = told.getvalue().partition(f"{level} is not available here.\n")[2].splitlines()[:2]
    assert why.startswith("  why: expected")
    assert remedy.startswith("  to get it: ")


def test_a_probe_of_a_level_that_works_has_its_times() -> None:
    probed = probe(Level.NAMESPACES)
    if not probed.works:
        pytest.skip(f"this machine gives no sandbox of level namespaces: {probed.why_not}")
    assert 0 < probed.exec_s < probed.start_s
