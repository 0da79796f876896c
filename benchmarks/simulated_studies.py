"""Studies drawn from populations that are known, with the truth that each interval should hold.

A family is one of a few kinds. A kind has sixteen sorts of tasks, and for every sort the success
probability of the base and of an arm; training seeds shift those, by kind. A study draws six
families, 24 tasks of each and attempts at every task, first a fixed number, then more where the
label is open. All means are then sums over few cases, and the probability that the drawing ends
with a label is found beforehand, by drawing many times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reachgym.support import Label, TaskCounts, labels, next_draws, p_in, p_out

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

B, FIRST, MOST = 8, 64, 1024
SEEDS, FAMILIES, TASKS, SORTS = 3, 6, 24, 16
# How training seeds differ: on the logit of every task, or by whether they found the skill at all.
SHIFTS = (-0.7, 0.0, 0.7)
FOUND = (0.0, 1.0)
_LABEL_STUDIES = 1000


@dataclass(frozen=True)
class Kind:
    """A kind of family: success by sort of task, before and after training.

    Attributes:
        base: Success of the base by sort, (Z,).
        arm: Success of the arm, (Z,).
        by_luck: Whether a seed of the arm finds the skill or stays the base, rather than shifting.
    """

    base: Floats
    arm: Floats
    by_luck: bool = False


def kinds() -> dict[str, Kind]:
    """From wholly created to lost, with skewed and undecidable ones between."""
    even, none = np.linspace(0, 1, SORTS), np.zeros(SORTS)
    skewed = special.betaincinv(0.3, 3.0, (np.arange(SORTS) + 0.5) / SORTS)
    around = np.geomspace(0.002, 0.3, SORTS)
    return {
        "created": Kind(none, 0.7 + 0.25 * even),
        "created by lucky seeds": Kind(none, 0.7 + 0.25 * even, by_luck=True),
        "an eighth created": Kind(none, np.where(np.arange(SORTS) < 2, 0.6, 0.0)),
        "skewed": Kind(skewed, np.sqrt(skewed)),
        "around the thresholds": Kind(around, np.minimum(1.0, 2 * around)),
        "elicited": Kind(0.12 + 0.1 * even, 0.6 + 0.3 * even),
        "unchanged": Kind(0.2 + 0.7 * even, 0.2 + 0.7 * even),
        "half lost": Kind(0.3 + 0.3 * even, np.where(np.arange(SORTS) < SORTS // 2, 0.0, 0.5)),
    }


class Population:
    """All kinds under all effects a seed can have, with the probabilities of their labels.

    Tables are indexed by kind T, effect E and sort Z.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.kinds = kinds()
        self.effects = len(SHIFTS) * len(FOUND)
        parts = [[_shifted(kind, effect) for effect in _effects()] for kind in self.kinds.values()]
        self.base_T_E_Z = np.array([[base for base, _ in row] for row in parts])
        self.arm_T_E_Z = np.array([[arm for _, arm in row] for row in parts])
        self.base_labels = _label_probabilities(self.base_T_E_Z, rng)
        self.arm_labels = _label_probabilities(self.arm_T_E_Z, rng)

    def family(self, kind: int, effects_S: Ints) -> Family:
        """A family of some kind under the effects of the seeds."""
        at = (kind, effects_S)
        return Family(
            list(self.kinds)[kind],
            self.base_T_E_Z[at],
            self.arm_T_E_Z[at],
            {label: p[at] for label, p in self.base_labels.items()},
            {label: p[at] for label, p in self.arm_labels.items()},
        )


@dataclass(frozen=True)
class Family:
    """One family of a study, or a kind it might have had: seeds S, sorts Z.

    Attributes:
        kind: Its kind's name.
        p0_S_Z: Success of the base by seed and sort.
        p1_S_Z: Success of the arm.
        labels_0: Probability of each label of the base, (S, Z).
        labels_1: Of the arm.
    """

    kind: str
    p0_S_Z: Floats
    p1_S_Z: Floats
    labels_0: dict[Label, Floats]
    labels_1: dict[Label, Floats]

    def pass_at(self, k: int) -> float:
        """Mean pass@k of the arm."""
        return float((1 - (1 - self.p1_S_Z) ** k).mean())

    def gain_at(self, k: int) -> float:
        """The same less the base's."""
        return self.pass_at(k) - float((1 - (1 - self.p0_S_Z) ** k).mean())

    @property
    def created(self) -> float:
        """Share of tasks that the drawing labels created, expected."""
        return self._labelled_created(self.labels_1)

    @property
    def created_again(self) -> float:
        """The same where the base is measured again in place of an arm."""
        return self._labelled_created(self.labels_0)

    @property
    def truly_created(self) -> float:
        """Share of tasks that are in the arm's reach and out of every base's."""
        out = (self.p0_S_Z <= p_out(B)).all(axis=0)
        return float(((self.p1_S_Z >= p_in(B)) & out).mean())

    @property
    def truly_lost(self) -> float:
        """Share of tasks that are out of the arm's reach and in its own base's."""
        return float(((self.p0_S_Z >= p_in(B)) & (self.p1_S_Z <= p_out(B))).mean())

    def _labelled_created(self, after: dict[Label, Floats]) -> float:
        out = self.labels_0[Label.OUT_OF_REACH].prod(axis=0)
        return float((after[Label.IN_REACH] * out).mean())


@dataclass(frozen=True)
class Study:
    """One study: its families, and its records.

    Attributes:
        families: What is true of each family, F.
        possible: The same for every kind under the study's seeds; families are drawn from these.
        sort_F_K: Sort of each task.
        base: Records of the base.
        arm: Records of the arm.
        again: Further measurements of the base, each as if it were an arm.
    """

    families: list[Family]
    possible: list[Family]
    sort_F_K: Ints
    base: list[TaskCounts]
    arm: list[TaskCounts]
    again: list[list[TaskCounts]]


def draw_study(population: Population, rng: np.random.Generator, again: int = 1) -> Study:
    """A study with so many further measurements of its base."""
    effect_S_T = rng.integers(population.effects, size=(SEEDS, len(population.kinds)))
    possible = [population.family(kind, effect_S_T[:, kind]) for kind in range(len(effect_S_T.T))]
    families = [possible[kind] for kind in rng.integers(len(possible), size=FAMILIES)]
    sort_F_K = rng.integers(SORTS, size=(FAMILIES, TASKS))
    pairs = list(zip(families, sort_F_K, strict=True))
    p0_S_F_K = np.stack([family.p0_S_Z[:, sorts] for family, sorts in pairs], axis=1)
    p1_S_F_K = np.stack([family.p1_S_Z[:, sorts] for family, sorts in pairs], axis=1)
    return Study(
        families,
        possible,
        sort_F_K,
        base=records("base", p0_S_F_K, rng),
        arm=records("arm", p1_S_F_K, rng),
        again=[records(f"again {index}", p0_S_F_K, rng) for index in range(again)],
    )


def records(policy: str, p_S_F_K: Floats, rng: np.random.Generator) -> list[TaskCounts]:
    """Attempts at every task, more where the label is open, as a study makes them."""
    first, n, c = draw_adaptively(p_S_F_K, rng)
    return [
        TaskCounts(policy, s, f"f{f}", f"t{k}", FIRST, int(first[s, f, k]), 0.0, False, *all_draws)
        for s, f, k in np.ndindex(p_S_F_K.shape)
        for all_draws in [(int(n[s, f, k]), int(c[s, f, k]))]
    ]


def draw_adaptively(p: Floats, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Successes among the first draws, then all draws and their successes, any shape."""
    rate = p.ravel()
    first = rng.binomial(FIRST, rate)
    n, c = np.full(rate.size, FIRST), first.copy()
    going = np.arange(rate.size)
    while going.size:
        added = next_draws(n[going], c[going], MOST, attempts=B)
        going, added = going[added > 0], added[added > 0]
        n[going] += added
        c[going] += rng.binomial(added, rate[going])
    return first.reshape(p.shape), n.reshape(p.shape), c.reshape(p.shape)


def _effects() -> Iterator[tuple[float, float]]:
    return ((shift, found) for shift in SHIFTS for found in FOUND)


def _shifted(kind: Kind, effect: tuple[float, float]) -> tuple[Floats, Floats]:
    """Base and arm under the effect of one seed; what is impossible or certain stays so."""
    shift, found = effect
    if kind.by_luck:
        return kind.base, kind.arm if found else kind.base
    base, arm = (special.expit(special.logit(p) + shift) for p in (kind.base, kind.arm))
    return base, arm


def _label_probabilities(p: Floats, rng: np.random.Generator) -> dict[Label, Floats]:
    """How often the drawing ends with each label; by p alone, so every p is drawn for once."""
    values, where = np.unique(p, return_inverse=True)
    _, n, c = draw_adaptively(np.broadcast_to(values, (_LABEL_STUDIES, values.size)), rng)
    found = labels(n, c, 1.0, n, c, attempts=B)
    return {label: (found == label).mean(axis=0)[where].reshape(p.shape) for label in Label}
