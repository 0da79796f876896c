"""Advantages of attempts over the other attempts at the same task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

_EPSILON = 1e-6


def group_normalised(
    rewards: npt.NDArray[np.float64], groups: Sequence[str]
) -> npt.NDArray[np.float64]:
    """(r - mean) / std within each group (Shao et al. 2024, arXiv 2402.03300); shape (N,).

    A group whose rewards are all equal gets zeros.
    """
    advantages = np.zeros(len(rewards))
    for members in _members(groups):
        own = rewards[members]
        advantages[members] = (own - own.mean()) / (own.std() + _EPSILON)
    return advantages


def leave_one_out(
    rewards: npt.NDArray[np.float64], groups: Sequence[str]
) -> npt.NDArray[np.float64]:
    """r less the mean of the group's others (RLOO, arXiv 2402.14740); shape (N,).

    A group of one gets zero: it has no others.
    """
    advantages = np.zeros(len(rewards))
    for members in _members(groups):
        own = rewards[members]
        if len(own) > 1:
            advantages[members] = own - (own.sum() - own) / (len(own) - 1)
    return advantages


def informative(rewards: npt.NDArray[np.float64], groups: Sequence[str]) -> npt.NDArray[np.bool_]:
    """True for attempts of groups whose rewards differ; the others have nothing to tell."""
    found = np.zeros(len(rewards), np.bool_)
    for members in _members(groups):
        found[members] = np.ptp(rewards[members]) > 0
    return found


def _members(groups: Sequence[str]) -> Iterator[list[int]]:
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    yield from members.values()
