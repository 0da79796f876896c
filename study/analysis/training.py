"""What training consumed, how success rose, and which tasks were solved for the first time."""

from __future__ import annotations

from collections.abc import Iterator

from reachgym.study import results as out
from reachgym.study.config.study import StudyConfig
from reachgym.study.folder import StudyFolder
from reachgym.study.measured import records, stage_result
from reachgym.study.stages import arm_stage, base_stage


def consumption(config: StudyConfig, folder: StudyFolder) -> Iterator[out.Consumption]:
    """What every base and arm consumed, seed by seed."""
    arms = [trained.policy for trained in config.trained()]
    for policy in (*config.bases, *arms):
        for seed in config.seeds:
            stage = arm_stage(policy, seed) if policy in arms else base_stage(policy, seed)
            result = stage_result(folder, stage)
            spent = {
                name: result.get(name, result.get("stage_s", 0) if name == "wall_s" else 0)
                for name in out.Consumption.model_fields
                if name not in ("policy", "seed")
            }
            yield out.Consumption.model_validate({"policy": policy, "seed": seed, **spent})


def curves(config: StudyConfig, folder: StudyFolder) -> Iterator[out.CurvePoint]:
    """Success on training tasks, update by update."""
    for trained in config.trained():
        for seed in config.seeds:
            result = stage_result(folder, arm_stage(trained.policy, seed))
            for point in records(result.get("curve", [])):
                yield out.CurvePoint.model_validate(
                    {"policy": trained.policy, "seed": seed, **point}
                )


def discoveries(config: StudyConfig, folder: StudyFolder) -> Iterator[out.DiscoveryPoint]:
    """Distinct training tasks ever solved, update by update."""
    for trained in config.trained():
        for seed in config.seeds:
            result = stage_result(folder, arm_stage(trained.policy, seed))
            for point in records(result.get("discovery", [])):
                yield out.DiscoveryPoint.model_validate(
                    {"policy": trained.policy, "seed": seed, **point}
                )
