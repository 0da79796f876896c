"""A study that was killed and continued ends as one that ran through; Ctrl-C stops it cleanly."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(400)
TIMES = {"stage_seconds", "wall_s", "learner_s", "rollout_s"}


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def results(folder: Path):
    return without_times(json.loads((folder / "results.json").read_text()))


def finished_stages(folder: Path) -> set[Path]:
    return {marker.parent for marker in folder.rglob("done.json")}


def wait_for(condition, process, timeout_s: float = 150.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def processes_of_session(session: int) -> list[str]:
    """Commands of the living processes of a session, zombies apart."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or os.getsid(int(entry.name)) != session:
                continue
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            command = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if state != "Z":
            found.append(command)
    return found


def gone(session: int, timeout_s: float = 30.0) -> list[str]:
    """What is still there of a session after a while."""
    deadline_s = time.monotonic() + timeout_s
    while (left := processes_of_session(session)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return left


def test_a_killed_study_ends_with_the_results_of_one_that_ran_through(
    small_config, start, reachgym, tmp_path
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ran = reachgym("study", small_config, "--out", whole)
    assert ran.returncode == 0, ran.stderr

    process = start("study", small_config, "--out", killed)
    wait_for(lambda: finished_stages(killed), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = finished_stages(killed)
    assert len(kept) < len(finished_stages(whole))
    assert not (killed / "results.json").exists()
    assert gone(process.pid) == []
    marks = {stage: (stage / "done.json").stat().st_mtime_ns for stage in kept}

    continued = reachgym("study", small_config, "--out", killed)
    assert continued.returncode == 0, continued.stderr
    assert marks == {stage: (stage / "done.json").stat().st_mtime_ns for stage in kept}
    assert results(killed) == results(whole)


def test_ctrl_c_stops_a_study_cleanly_and_it_resumes(small_config, start, reachgym, tmp_path):
    out = tmp_path / "out"
    longer = ("study", small_config, "--out", out, "--set", "arms.rl.steps=150")
    process = start(*longer)
    # The longest training comes first.
    wait_for((out / "arm/rl/seed-0").exists, process)
    os.kill(process.pid, signal.SIGINT)
    said, complained = process.communicate(timeout=60)
    assert process.returncode == 130, (said, complained)
    assert complained.strip() == "reachgym: stopped; run the same command again to continue"
    assert "Traceback" not in said
    assert gone(process.pid) == []
    assert not (out / "arm/rl/seed-0/done.json").exists()

    continued = reachgym(*longer)
    assert continued.returncode == 0, continued.stderr
    assert "arm/rl/seed-0 " in continued.stdout
    assert "base/base/seed-0 " not in continued.stdout
