"""Whether every name that a configuration mentions is one that it defines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reachgym.study.config.arms import OnPolicyArm, YokedArm

if TYPE_CHECKING:
    from reachgym.study.config.study import StudyConfig


def check_names(config: StudyConfig) -> None:
    """Refuse a name that nothing has.

    Raises:
        ValueError: The text says where it stands and which there are.
    """
    for where, name, known in _mentioned(config):
        if name not in known:
            raise ValueError(f"{where} is '{name}', which is not one of {', '.join(known)}")
    for name in config.arms:
        if name in config.bases or "@" in name:
            raise ValueError(f"an arm may not be called '{name}': bases are, or '@' stands in it")
    for name, arm in config.arms.items():
        if isinstance(arm, YokedArm):
            _check_yoke(config, name, arm)


def _mentioned(config: StudyConfig) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    plan, interfaces, families = config.measurement, config.interfaces, config.families
    yield "measurement.interface", plan.interface, interfaces
    yield "measurement.bare_interface", plan.bare_interface, interfaces
    for name, arm in config.arms.items():
        yield f"arms.{name}.interface", arm.interface, interfaces
        for base in arm.bases:
            yield f"arms.{name}.bases", base, config.bases
        for other in arm.control_for:
            yield f"arms.{name}.control_for", other, config.arms
        if isinstance(arm, YokedArm):
            yield f"arms.{name}.to", arm.to, config.arms
    for name, gate in config.gates.items():
        yield f"gates.{name}.interface", gate.interface, interfaces
        yield f"gates.{name}.family", gate.family, families
    for name, evaluation in config.evaluations.items():
        yield f"evaluations.{name}.interface", evaluation.interface, interfaces
        for shown in evaluation.variant.few_shot:
            yield f"evaluations.{name}.variant.few_shot", shown, families
    for name, contrast in config.contrasts.items():
        for policy in contrast.policies():
            yield f"contrasts.{name}", policy, config.arms
    for name, family in families.items():
        for atom in family.atoms:
            yield f"families.{name}.atoms", atom, families


def _check_yoke(config: StudyConfig, name: str, arm: YokedArm) -> None:
    other = config.arms[arm.to]
    if not isinstance(other, OnPolicyArm):
        raise ValueError(f"arms.{name}.to is '{arm.to}', which makes no attempts of its own")
    foreign = set(config.bases_of(arm)) - set(config.bases_of(other))
    if foreign:
        raise ValueError(
            f"arms.{name}.bases names {', '.join(sorted(foreign))}, which '{arm.to}' has not"
        )
