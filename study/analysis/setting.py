"""What was measured and how, as the results tell it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version

from reachgym.study import results as out
from reachgym.study.analysis.support import label_of
from reachgym.study.config.measurement import VariantConfig
from reachgym.study.config.study import StudyConfig
from reachgym.support import p_in, p_out

_PACKAGES = ("reachgym", "torch", "transformers", "ray", "gymnasium", "numpy", "scipy")


def setting_of(config: StudyConfig) -> out.Setting:
    """The setting of a study."""
    plan = config.measurement
    return out.Setting(
        title=config.title,
        question=config.question,
        world_seed=config.world.seed,
        alpha=plan.alpha,
        sample_budgets=[
            out.SampleBudget(attempts=b, p_in=p_in(b), p_out=p_out(b), headline=b == plan.headline)
            for b in plan.sample_budgets
        ],
        attempt_budget=config.attempt_budget.model_dump(),
        interfaces=[*_interfaces(config)],
        policies=[*_policies(config)],
        evaluations=[*_evaluations(config)],
        families={name: family.description for name, family in config.families.items()},
        exposures={name: base.mix for name, base in config.bases.items()},
        model={
            key: value
            for key, value in config.model.model_dump(mode="json").items()
            if value is not None
        },
        versions={name: version(name) for name in _PACKAGES},
        hardware=f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        config=config.model_dump(mode="json"),
        config_hash=config.hash(),
    )


def _interfaces(config: StudyConfig) -> Iterator[out.InterfaceInfo]:
    for name, interface in config.interfaces.items():
        yield out.InterfaceInfo(
            name=name,
            description=interface.description,
            tools=interface.tools,
            information=interface.information,
        )


def _evaluations(config: StudyConfig) -> Iterator[out.EvaluationInfo]:
    for name, look in config.evaluations.items():
        yield out.EvaluationInfo(
            name=name,
            label=look.label,
            description=look.description,
            of=look.of,
            interface=look.interface,
            world_seed=config.world.seed if look.world_seed is None else look.world_seed,
            elicits=look.variant != VariantConfig(),
        )


def _policies(config: StudyConfig) -> Iterator[out.PolicyInfo]:
    """Every base, followed by its arms."""
    for name, base in config.bases.items():
        yield out.PolicyInfo(
            name=name,
            label=base.label,
            description=base.description,
            is_base=True,
            base=name,
            arm=None,
            control_for=[],
            train_interface=None,
            seeds=config.seeds,
        )
        for trained in config.trained():
            if trained.base == name:
                yield out.PolicyInfo(
                    name=trained.policy,
                    label=label_of(config, trained.policy),
                    description=trained.arm.description,
                    is_base=False,
                    base=name,
                    arm=trained.name,
                    control_for=[config.policy_name(led, name) for led in trained.arm.control_for],
                    train_interface=trained.arm.interface,
                    seeds=config.seeds,
                )
