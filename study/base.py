"""The base of every seed: pre-trained from scratch, or copied from a checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from reachgym.envs.errors import ConfigError
from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import JSON
from reachgym.study.config.study import BaseConfig, PretrainingConfig
from reachgym.study.lane import Lane
from reachgym.study.plan import Advance

_STEPS_A_CALL = 25


def pretrain_base(
    plan: PretrainingConfig, base: BaseConfig, seed: int
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that trains a base from scratch on its own stream of documents."""

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        advance(0.0, "building the model")
        lane.begin_pretraining(plan, plan.mixed(base), derive_seed("base", seed))
        tokens, loss = 0.0, float("nan")
        for done in range(0, plan.steps, _STEPS_A_CALL):
            metrics = lane.pretrain(min(_STEPS_A_CALL, plan.steps - done), plan.batch)
            tokens += metrics["tokens"]
            loss = metrics["loss"]
            advance((done + _STEPS_A_CALL) / plan.steps, f"loss {loss:.3f}", {"loss": loss})
        lane.save(stage / "checkpoint")
        return {"updates": plan.steps, "gradient_tokens": int(tokens), "loss": loss}

    return run


def copy_base(checkpoint: Path) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that takes an existing checkpoint as the base."""

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        del lane
        if not (checkpoint / "config.json").is_file():
            raise ConfigError(
                f"model.checkpoint: expected a folder with config.json and weights, as "
                f"save_pretrained writes it; {checkpoint} has no config.json"
            )
        shutil.copytree(checkpoint, stage / "checkpoint")
        advance(1.0, "copied")
        return {"updates": 0, "gradient_tokens": 0}

    return run
