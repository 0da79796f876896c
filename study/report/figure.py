"""What every figure of the report is made of: a picture, its words, and its numbers."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reachgym.study.report.svg import line_swatch, marker_swatch
from reachgym.study.report.table import Table
from reachgym.study.results import PolicyInfo, Results

_MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Figured:
    """One picture: its title, its SVG text, the words for who does not see it, its numbers."""

    title: str
    words: str
    svg: str
    data: Table


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend."""

    title: str
    svg: str


@dataclass(frozen=True, slots=True)
class Group:
    """One base and the arms trained from it; its place tells it from others in a page."""

    place: int
    base: PolicyInfo
    arms: Sequence[PolicyInfo]

    @property
    def policies(self) -> list[PolicyInfo]:
        """The base, then its arms."""
        return [self.base, *self.arms]

    def index(self, policy: str) -> int | None:
        """Place of a policy among the group's, the base being 0; None where it is another's."""
        return next((i for i, own in enumerate(self.policies) if own.name == policy), None)


def groups_of(results: Results) -> list[Group]:
    """One group a base, in the results' order."""
    policies = results.setting.policies
    bases = [policy for policy in policies if policy.is_base]
    return [
        Group(place, base, [p for p in policies if p.base == base.name and not p.is_base])
        for place, base in enumerate(bases)
    ]


def compared_interface(results: Results) -> str:
    """The interface through which base and arms are compared."""
    return results.flows[0].interface if results.flows else results.setting.interfaces[0].name


def line_legend(group: Group, beside: str, among: Container[str]) -> list[Key]:
    """Which line is which of these policies of a group."""
    policies = [(i, p) for i, p in enumerate(group.policies) if p.name in among]
    return [Key(p.label, line_swatch(i, f"{beside}-{group.place}")) for i, p in policies]


def arm_legend(group: Group, beside: str) -> list[Key]:
    """Which marker is which arm of a group."""
    name = f"{beside}-{group.place}"
    return [Key(arm.label, marker_swatch(i, name)) for i, arm in enumerate(group.arms)]


def family_legend(results: Results, beside: str) -> list[Key]:
    """Which marker is which family, to stand once beside the figures named."""
    families = enumerate(results.setting.families)
    return [Key(family, marker_swatch(index, beside)) for index, family in families]


def set_whole_ticks(axes: Axes, values: Sequence[int]) -> None:
    """Mark at most six of these values along the bottom, as whole numbers."""
    step = max(1, math.ceil(len(values) / _MOST_TICKS))
    axes.xaxis.set_major_locator(FixedLocator(list(values[::step])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
