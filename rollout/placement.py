"""Room on the cluster: what each worker needs, asked for up front, waited for, held."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import ray
from ray.util.placement_group import (
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from reachgym.envs.errors import ConfigError, InfrastructureError
from reachgym.rollout.cluster import can_grow

# SPREAD puts workers on as many nodes as there are, PACK on as few; both give way where they must.
Strategy: TypeAlias = Literal["SPREAD", "PACK"]

_log = logging.getLogger("reachgym.rollout")
# How often it is said what is waited for.
_TELL_S = 10.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What Ray reserves for each of a number of workers.

    Attributes:
        workers: How many.
        num_cpus: CPUs for each; may be a fraction.
        num_gpus: GPUs for each; below 1 a fraction, above it whole ones.
        resources: Further resources, by the names that nodes were started with.
    """

    workers: int
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what Ray cannot reserve.

        Raises:
            ConfigError: An amount is negative, or all are zero, or a GPU is broken.
        """
        if self.workers < 1:
            raise ConfigError(f"expected workers of 1 or more; got {self.workers}")
        amounts = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, **self.resources}
        for name, amount in amounts.items():
            if amount < 0:
                raise ConfigError(f"expected {name} of 0 or more; got {amount:g}")
        if not self.bundle:
            raise ConfigError(
                "a worker that needs no CPU, GPU or other resource cannot be placed; give it a "
                "small share, e.g. num_cpus=0.01"
            )
        if self.num_gpus > 1 and self.num_gpus != int(self.num_gpus):
            raise ConfigError(f"expected num_gpus below 1 or a whole number; got {self.num_gpus:g}")

    @property
    def bundle(self) -> dict[str, float]:
        """What one worker needs, by Ray's names."""
        named = {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.resources}
        return {name: amount for name, amount in named.items() if amount}


class Reservation:
    """Room for every worker of a demand, all or none; it survives the nodes it lies on.

    It is a placement group with one bundle a worker, so that an autoscaler sees the whole demand
    at once. Ray moves the bundles of a node that dies to others as soon as these have room.
    """

    def __init__(self, demand: Demand, *, strategy: Strategy, wait_s: float) -> None:
        """Reserve, waiting for nodes that may still join or be freed.

        Raises:
            ConfigError: The cluster has too little, and got no more within `wait_s`.
            InfrastructureError: It has enough, but others did not free it within `wait_s`.
        """
        self._demand = demand
        self.workers, self.wait_s = demand.workers, wait_s
        if not can_grow():
            _check_total(demand, "")
        self._group = placement_group([demand.bundle] * demand.workers, strategy=strategy)
        try:
            self._wait(wait_s)
        except BaseException:
            self.release()
            raise

    def options(self, number: int) -> dict[str, Any]:
        """The options of the actor that takes the place of this number."""
        demand = self._demand
        return {
            "num_cpus": demand.num_cpus,
            "num_gpus": demand.num_gpus,
            "resources": dict(demand.resources),
            "scheduling_strategy": PlacementGroupSchedulingStrategy(self._group, number),
        }

    def homeless(self) -> int:
        """How many workers have no place, because the nodes that they were on are dead."""
        nodes = placement_group_table(self._group)["bundles_to_node_id"]
        return sum(not node for node in nodes.values())

    def missing(self) -> str:
        """What the cluster lacks for the whole demand, for people."""
        offered, free = ray.cluster_resources(), ray.available_resources()
        workers = self._demand.workers
        told = [
            f"{workers * amount:g} {name} needed, {offered.get(name, 0.0):g} in the cluster, "
            f"{free.get(name, 0.0):g} free"
            for name, amount in self._demand.bundle.items()
        ]
        return "; ".join(told)

    def release(self) -> None:
        """Give the room back; ends what still runs in it."""
        remove_placement_group(self._group)

    def _wait(self, wait_s: float) -> None:
        started_s, told_s = time.monotonic(), -math.inf
        # Ray waits for whole seconds.
        while not self._group.wait(1):
            now_s = time.monotonic()
            if now_s - started_s >= wait_s:
                _check_total(self._demand, f" after {wait_s:g} s")
                raise InfrastructureError(
                    f"no room for {self._demand.workers} workers after {wait_s:g} s "
                    f"({self.missing()}); end what holds it, use nodes that each have what one "
                    "worker needs, or wait longer with wait_s"
                )
            if now_s - told_s >= _TELL_S:
                told_s = now_s
                _log.warning("waiting for room on the cluster: %s", self.missing())


def _check_total(demand: Demand, when: str) -> None:
    offered = ray.cluster_resources()
    for name, amount in demand.bundle.items():
        if demand.workers * amount > offered.get(name, 0.0):
            raise ConfigError(
                f"{demand.workers} workers of {amount:g} {name} need {demand.workers * amount:g}, "
                f"the cluster has {offered.get(name, 0.0):g}{when}; use fewer workers or a "
                "smaller share for each"
            )
