"""The jobs of a study: bases, gates, arms, measurements, further looks and scores, with needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reachgym.study.arms import train_on_policy
from reachgym.study.base import copy_base, pretrain_base
from reachgym.study.config.arms import SFTArm, YokedArm
from reachgym.study.config.measurement import EvaluationConfig, VariantConfig
from reachgym.study.config.study import InterfaceConfig, StudyConfig
from reachgym.study.families import Families
from reachgym.study.folder import StudyFolder
from reachgym.study.lane import Lane
from reachgym.study.measure import Draws, Looking, measure
from reachgym.study.measured import chance_bounds
from reachgym.study.plan import Job
from reachgym.study.scores import Member, score_mixture
from reachgym.study.stages import (
    arm_stage,
    base_stage,
    evaluation_stage,
    gate_stage,
    measure_stage,
    scores_stage,
)
from reachgym.study.supervised import train_sft, train_yoked

# Expected seconds on one laptop core, for the order of jobs and the time left; only ratios matter.
_DOCUMENT_S = 0.0025
_DEMONSTRATION_S = 0.002
_ON_POLICY_ATTEMPT_S = 0.005
_MEASURED_ATTEMPT_S = 0.0012
_SCORED_EPISODE_S = 0.0006
_STAGE_S = 2.0
_VARIANT_S = 8.0
# Of the draws that a label may need, how many it is expected to.
_ADDED = 0.2
_PLAIN = VariantConfig()


@dataclass(frozen=True, slots=True)
class JobList:
    """Makes the jobs of one study; their names are the stages' folders."""

    config: StudyConfig
    families: Families
    folder: StudyFolder

    def all(self) -> list[Job[Lane]]:
        """Every job, those first that others wait for, and then the longest."""
        seeds = self.config.seeds
        first = [job for seed in seeds for job in self._bases(seed)]
        gates = [job for seed in seeds for job in self._gates(seed)]
        arms = [job for seed in seeds for job in self._arms(seed)]
        looks = [job for seed in seeds for job in (*self._measures(seed), *self._evaluations(seed))]
        scores = [job for seed in seeds for job in self._scores(seed)]
        # Lanes end together when the longest come first.
        later = sorted(arms, key=lambda job: -job.cost) + sorted(looks, key=lambda job: -job.cost)
        return [*first, *gates, *later, *scores]

    def _bases(self, seed: int) -> Iterator[Job[Lane]]:
        plan, checkpoint = self.config.pretraining, self.config.model.checkpoint
        for name, base in self.config.bases.items():
            if plan is not None:
                cost = plan.steps * plan.batch * _DOCUMENT_S
                yield Job(base_stage(name, seed), (), cost, pretrain_base(plan, base, seed))
            elif checkpoint is not None:
                yield Job(base_stage(name, seed), (), _STAGE_S, copy_base(checkpoint))

    def _gates(self, seed: int) -> Iterator[Job[Lane]]:
        stage = base_stage(next(iter(self.config.bases)), seed)
        for name, gate in self.config.gates.items():
            draws = [Draws(gate.family, "validation", gate.tasks, gate.attempts, gate.attempts)]
            interface = self.config.interfaces[gate.interface]
            yield self._look(gate_stage(name, seed), stage, interface, draws)

    def _arms(self, seed: int) -> Iterator[Job[Lane]]:
        for trained in self.config.trained():
            origin = base_stage(trained.base, seed)
            base, arm = self._checkpoint(origin), trained.arm
            needs: tuple[str, ...] = (origin,)
            if isinstance(arm, SFTArm):
                shown = arm.demonstrations * len(self.config.training_families())
                cost = arm.steps * arm.batch * _DOCUMENT_S + shown * _DEMONSTRATION_S
                run = train_sft(self.config, self.families, arm, base, seed)
            elif isinstance(arm, YokedArm):
                leader = arm_stage(self.config.policy_name(arm.to, trained.base), seed)
                needs, cost = (origin, leader), _STAGE_S + _VARIANT_S
                run = train_yoked(arm, base, self.folder.stage(leader), seed)
            else:
                cost = arm.steps * arm.prompts * arm.attempts * _ON_POLICY_ATTEMPT_S
                run = train_on_policy(self.config, self.families, arm, trained.policy, base, seed)
            yield Job(arm_stage(trained.policy, seed), needs, cost, run)

    def _measures(self, seed: int) -> Iterator[Job[Lane]]:
        plan = self.config.measurement
        for name in self.config.bases:
            for through in (plan.interface, plan.bare_interface):
                stage, draws = (
                    measure_stage(name, through, seed),
                    self._draws(through, is_base=True),
                )
                interface = self.config.interfaces[through]
                yield self._look(stage, base_stage(name, seed), interface, draws)
        for trained in self.config.trained():
            stage = measure_stage(trained.policy, plan.interface, seed)
            draws = self._draws(plan.interface, is_base=False)
            interface = self.config.interfaces[plan.interface]
            yield self._look(stage, arm_stage(trained.policy, seed), interface, draws)

    def _draws(self, interface: str, *, is_base: bool) -> list[Draws]:
        plan = self.config.measurement
        bounded = chance_bounds(self.config, interface) if is_base else frozenset()
        return [
            Draws(
                name,
                "held_out",
                plan.tasks,
                plan.first_draws,
                family.base_draws if is_base else family.arm_draws,
                name in bounded,
            )
            for name, family in self.config.families.items()
        ]

    def _evaluations(self, seed: int) -> Iterator[Job[Lane]]:
        for name, evaluation in self.config.evaluations.items():
            families = self.families
            if evaluation.world_seed is not None:
                families = families.elsewhere(evaluation.world_seed)
            draws = [
                Draws(
                    f,
                    "held_out",
                    self.config.measurement.tasks,
                    evaluation.attempts,
                    evaluation.attempts,
                )
                for f in self.config.families
            ]
            interface = self.config.interfaces[evaluation.interface]
            for policy, needs in self._looked_at(evaluation, seed):
                yield self._look(
                    evaluation_stage(name, policy, seed),
                    needs,
                    interface,
                    draws,
                    evaluation.variant,
                    families,
                )

    def _looked_at(self, evaluation: EvaluationConfig, seed: int) -> Iterator[tuple[str, str]]:
        """Policies of an evaluation, and the stage that makes each: those of the first base."""
        first = next(iter(self.config.bases))
        if evaluation.of in ("base", "all"):
            yield first, base_stage(first, seed)
        if evaluation.of in ("arms", "all"):
            for trained in self.config.trained():
                if trained.base == first:
                    yield trained.policy, arm_stage(trained.policy, seed)

    def _look(
        self,
        stage: str,
        needs: str,
        interface: InterfaceConfig,
        draws: list[Draws],
        variant: VariantConfig = _PLAIN,
        families: Families | None = None,
    ) -> Job[Lane]:
        plan = self.config.measurement
        looking = Looking(
            stage, self._checkpoint(needs), interface, variant, plan.headline, plan.alpha
        )
        expected = sum(d.tasks * (d.first + _ADDED * (d.most - d.first)) for d in draws)
        cost = _STAGE_S + expected * _MEASURED_ATTEMPT_S
        if variant != _PLAIN:
            cost += _VARIANT_S
        run = measure(families or self.families, draws, looking)
        return Job(stage, (needs,), cost, run, continues=True)

    def _scores(self, seed: int) -> Iterator[Job[Lane]]:
        plan = self.config.measurement
        if not plan.scored_draws:
            return
        tasks = [
            task
            for f in self.config.families
            for task in self.families.first(f, "held_out", plan.tasks)
        ]
        interface = self.config.interfaces[plan.interface]
        for base in self.config.bases:
            arms = [t.policy for t in self.config.trained() if t.base == base]
            members = [self._member(base, seed, plan.first_draws, is_base=True)]
            members += [self._member(arm, seed, plan.scored_draws, is_base=False) for arm in arms]
            needs = tuple(measure_stage(member.name, plan.interface, seed) for member in members)
            cost = len(members) ** 2 * len(tasks) * plan.scored_draws * _SCORED_EPISODE_S
            run = score_mixture(self.families, tasks, interface, members)
            yield Job(scores_stage(base, seed), needs, _STAGE_S + cost, run)

    def _member(self, policy: str, seed: int, draws: int, *, is_base: bool) -> Member:
        stage = measure_stage(policy, self.config.measurement.interface, seed)
        made = base_stage(policy, seed) if is_base else arm_stage(policy, seed)
        return Member(
            policy, self._checkpoint(made), self.folder.stage(stage), stage, draws, is_base
        )

    def _checkpoint(self, stage: str) -> Path:
        return self.folder.stage(stage) / "checkpoint"
