"""What the stages of a study recorded, read back and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reachgym.envs.errors import StoreError
from reachgym.envs.types import JSON
from reachgym.study.config.study import StudyConfig
from reachgym.study.folder import StudyFolder
from reachgym.study.stages import evaluation_stage, measure_stage
from reachgym.support import TaskCounts


@dataclass(frozen=True, slots=True)
class Measured:
    """The counts of one policy seed through one interface.

    Attributes:
        policy: A base or an arm.
        seed: Its seed.
        interface: What it acted through.
        rows: One record a task, as the stage wrote it.
        chance_bounds: Families on which declared chance bounds success here.
    """

    policy: str
    seed: int
    interface: str
    rows: tuple[Mapping[str, JSON], ...]
    chance_bounds: frozenset[str]

    def counts(self) -> list[TaskCounts]:
        """As the measurement takes them."""
        return [
            TaskCounts(
                policy=self.policy,
                seed=self.seed,
                family=str(row["family"]),
                task=str(row["task"]),
                n=whole(row["n"]),
                c=whole(row["c"]),
                chance=real(row["chance"]),
                chance_bounds=str(row["family"]) in self.chance_bounds,
                drawn=whole(row["drawn"]),
                solved=whole(row["solved"]),
            )
            for row in self.rows
        ]


def stage_result(folder: StudyFolder, stage: str) -> dict[str, JSON]:
    """What a finished stage recorded.

    Raises:
        StoreError: The stage is not finished.
    """
    result = folder.result(stage)
    if result is None:
        raise StoreError(f"stage {stage} is not finished; run the study again to continue it")
    return result


def all_measured(config: StudyConfig, folder: StudyFolder) -> Iterator[Measured]:
    """The counts of every policy, seed and interface of a study."""
    plan = config.measurement
    places = [(b, i) for b in config.bases for i in (plan.interface, plan.bare_interface)]
    places += [(trained.policy, plan.interface) for trained in config.trained()]
    for policy, interface in places:
        bounded = chance_bounds(config, interface) if policy in config.bases else frozenset()
        for seed in config.seeds:
            rows = stage_result(folder, measure_stage(policy, interface, seed))["counts"]
            yield Measured(policy, seed, interface, tuple(records(rows)), bounded)


def evaluation_counts(
    config: StudyConfig, folder: StudyFolder, evaluation: str, policy: str
) -> list[TaskCounts]:
    """The counts of one further look at a policy, every seed; none where it was not looked at."""
    look = config.evaluations[evaluation]
    is_base = policy in config.bases
    if look.of not in ("all", "base" if is_base else "arms"):
        return []
    bounded = chance_bounds(config, look.interface) if is_base else frozenset()
    counts: list[TaskCounts] = []
    for seed in config.seeds:
        rows = stage_result(folder, evaluation_stage(evaluation, policy, seed))["counts"]
        found = Measured(policy, seed, look.interface, tuple(records(rows)), bounded)
        counts += found.counts()
    return counts


def chance_bounds(config: StudyConfig, interface: str) -> frozenset[str]:
    """Families on which chance bounds a base's success: it never saw the world, nothing tells."""
    offered = config.interfaces[interface]
    if "search" in offered.tools and offered.information == "full":
        return frozenset()
    return frozenset(name for name, family in config.families.items() if family.only_search_tells)


def records(value: JSON) -> Iterator[dict[str, JSON]]:
    """The objects of a list."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            yield item


def whole(value: JSON) -> int:
    """A recorded count."""
    if not isinstance(value, int):
        raise StoreError(f"a recorded count is damaged: {value!r}; delete the study's folder")
    return value


def real(value: JSON) -> float:
    """A recorded number."""
    if not isinstance(value, int | float):
        raise StoreError(f"a recorded number is damaged: {value!r}; delete the study's folder")
    return float(value)
