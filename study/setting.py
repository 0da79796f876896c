"""What was measured and how, as the results tell it."""

from __future__ import annotations

import platform
from importlib.metadata import version

from reachgym.study import results as out
from reachgym.study.config import StudyConfig
from reachgym.study.measured import BASE
from reachgym.support import p_in, p_out

_PACKAGES = ("reachgym", "torch", "transformers", "ray", "gymnasium", "numpy", "scipy")


def setting_of(config: StudyConfig) -> out.Setting:
    """The setting of a study."""
    plan = config.measurement
    base = out.PolicyInfo(
        name=BASE,
        label="base",
        description="the model before post-training",
        is_base=True,
        train_interface=None,
        seeds=config.seeds,
    )
    arms = [
        out.PolicyInfo(
            name=name,
            label=arm.label,
            description=arm.description,
            is_base=False,
            train_interface=arm.interface,
            seeds=config.seeds,
        )
        for name, arm in config.arms.items()
    ]
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
        interfaces=[
            out.InterfaceInfo(
                name=name,
                description=interface.description,
                tools=interface.tools,
                information=interface.information,
            )
            for name, interface in config.interfaces.items()
        ],
        policies=[base, *arms],
        families={name: family.description for name, family in config.families.items()},
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
