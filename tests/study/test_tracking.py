"""Numbers over time: to a local file always, to TensorBoard and W&B where they are installed."""

from __future__ import annotations

import json

import pytest

from reachgym.envs.errors import ConfigError
from reachgym.study.tracking import METRICS, Tracking


def write(tracking: Tracking, name: str, file) -> None:
    track = tracking.open(name, file)
    for step in (1, 2, 3):
        track.log(step, {"loss": 1 / step, "success/lookup-1": 0.25 * step})
    track.close()


def test_every_step_is_a_line_of_the_local_file(tmp_path):
    write(Tracking(tmp_path), "arm/rl/seed-0", tmp_path / METRICS)
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert [line["success/lookup-1"] for line in lines] == [0.25, 0.5, 0.75]
    assert not (tmp_path / "tensorboard").exists()


def test_tensorboard_reads_back_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracking = Tracking(tmp_path, ["tensorboard"])
    for seed in (0, 1):
        write(tracking, f"arm/rl/seed-{seed}", tmp_path / f"{seed}.jsonl")
    events = EventAccumulator(str(tmp_path / "tensorboard/arm/rl/seed-1")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("success/lookup-1")] == [
        (1, 0.25),
        (2, 0.5),
        (3, 0.75),
    ]
    assert (tmp_path / "tensorboard/arm/rl/seed-0").is_dir()


def test_wandb_keeps_a_run_of_each_part_without_a_network(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracking = Tracking(tmp_path, ["wandb"])
    first, second = (tracking.open(f"seed-{n}", tmp_path / f"{n}.jsonl") for n in (0, 1))
    first.log(1, {"loss": 1.0})
    second.log(1, {"loss": 2.0})
    first.close()
    second.close()
    assert len(list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))) == 2


def test_an_unknown_target_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match="--track expects tensorboard or wandb, got 'mlflow'"):
        Tracking(tmp_path, ["mlflow"])
