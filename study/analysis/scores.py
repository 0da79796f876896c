"""What lies below the draws' sight, and what training paid: from scored episodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from reachgym.study import results as out
from reachgym.study.analysis.groups import Group
from reachgym.study.analysis.support import interval
from reachgym.study.config.study import StudyConfig
from reachgym.study.folder import StudyFolder
from reachgym.study.measured import stage_result, whole
from reachgym.study.scores import SCORES
from reachgym.study.stages import scores_stage
from reachgym.support import (
    Estimate,
    ImportanceEstimate,
    Successes,
    TaskCounts,
    clopper_pearson,
    free_energy,
    importance_estimate,
    selection_cost,
)

# The intervals of an efficiency are three; together they hold at alpha.
_PARTS = 3


@dataclass(frozen=True, slots=True)
class Scored:
    """The scored episodes of one base and seed.

    Attributes:
        seed: The seed.
        members: The policies of the mixture, the base first.
        draws: Draws of each task by each member.
        columns: The file's columns.
        logprobs_N_M: Log-probability of each episode under each member; NaN where not scored.
    """

    seed: int
    members: list[str]
    draws: list[int]
    columns: Mapping[str, npt.NDArray[np.generic]]
    logprobs_N_M: npt.NDArray[np.float64]

    def rows_of(self, **wanted: object) -> npt.NDArray[np.intp]:
        """Rows whose columns have these values."""
        kept = np.ones(len(self.logprobs_N_M), dtype=bool)
        for name, value in wanted.items():
            kept &= self.columns[name] == value
        return np.flatnonzero(kept)


def scored(config: StudyConfig, folder: StudyFolder, group: Group) -> Iterator[Scored]:
    """The scored episodes of a base and its arms, seed by seed; none where nothing was scored."""
    if not config.measurement.scored_draws:
        return
    for seed in config.seeds:
        stage = scores_stage(group.name, seed)
        result = stage_result(folder, stage)
        members = [group.name, *group.arms]
        table: pa.Table = pq.read_table(folder.stage(stage) / SCORES)
        names = ("policy", "place", "family", "task", "passed", "route")
        yield Scored(
            seed=seed,
            members=members,
            draws=[whole(result[f"draws:{member}"]) for member in members],
            columns={name: np.asarray(table[name].to_pylist()) for name in names},
            logprobs_N_M=np.stack(
                [table[f"logprob:{m}"].to_numpy().astype(np.float64) for m in members], axis=1
            ),
        )


def estimates(
    config: StudyConfig, group: Group, episodes: Scored
) -> Iterator[out.ImportanceEstimate]:
    """The base's success probability on every task, from the draws of the whole mixture."""
    alpha = config.measurement.alpha
    for row in group.base:
        if row.seed != episodes.seed:
            continue
        chosen = episodes.rows_of(family=row.family, task=row.task, passed=True)
        place = {name: index for index, name in enumerate(episodes.members)}
        drew = [place[str(name)] for name in episodes.columns["policy"][chosen]]
        successes = Successes(
            logprobs_S_M=episodes.logprobs_N_M[chosen],
            policy_S=np.array(drew, dtype=np.int64),
            place_S=episodes.columns["place"][chosen].astype(np.int64),
            route_S=episodes.columns["route"][chosen],
        )
        yield _estimate(row, importance_estimate(successes, episodes.draws, 0, alpha), alpha)


def _estimate(row: TaskCounts, found: ImportanceEstimate, alpha: float) -> out.ImportanceEstimate:
    doubts = found.diagnostics
    low, high = clopper_pearson(row.n, row.c, alpha)
    return out.ImportanceEstimate(
        base=row.policy,
        seed=row.seed,
        family=row.family,
        task=row.task,
        estimate=found.estimate,
        low=found.low,
        bound=found.low_by,
        direct=out.Interval(
            estimate=row.c / max(row.n, 1), low=float(low), high=float(high), n=row.n
        ),
        successes=found.successes,
        routes=doubts.routes,
        ess=doubts.ess,
        largest_share=doubts.largest_share,
        pareto_k=doubts.pareto_k if np.isfinite(doubts.pareto_k) else None,
        agrees=doubts.agrees,
        failed=list(doubts.failed),
    )


def energies(config: StudyConfig, group: Group, episodes: Scored) -> Iterator[out.FreeEnergy]:
    """What every arm paid in divergence on each family, against what its gain needed.

    Success probabilities are means over tasks, as the divergence is; the base's is that of its own
    draws, with their interval.
    """
    level = config.measurement.alpha / _PARTS
    for policy, rows in group.arms.items():
        own = episodes.members.index(policy)
        for family in config.families:
            chosen = episodes.rows_of(policy=policy, family=family)
            ratios = episodes.logprobs_N_M[chosen, own] - episodes.logprobs_N_M[chosen, 0]
            p1, p0 = (
                _pooled(counts, episodes.seed, family, level) for counts in (rows, group.base)
            )
            if not len(ratios) or not p1.n or not p0.n:
                continue
            found = free_energy(ratios, p1, p0, level)
            cost = float(selection_cost(p0.estimate))
            yield out.FreeEnergy(
                policy=policy,
                seed=episodes.seed,
                family=family,
                kl=interval(found.paid),
                least=_finite(found.needed),
                eta=found.eta.estimate,
                p_arm=p1.estimate,
                p_base=p0.estimate,
                selection_cost=cost if np.isfinite(cost) else None,
                certificate=found.base_success_certified,
            )


def _pooled(rows: list[TaskCounts], seed: int, family: str, alpha: float) -> Estimate:
    """Success over all tasks of a family, by the first draws of one seed."""
    own = [row for row in rows if (row.seed, row.family) == (seed, family)]
    n, c = sum(row.n for row in own), sum(row.c for row in own)
    if not n:
        return Estimate(0.0, 0.0, 1.0, 0)
    low, high = clopper_pearson(n, c, alpha)
    return Estimate(c / n, float(low), float(high), n)


def _finite(needed: Estimate) -> float:
    """The estimate, or its least possible value where the base never succeeded."""
    return needed.low if np.isinf(needed.estimate) else needed.estimate
