"""Is success on composite tasks more than the base's success on their parts multiplied?

The null: every composite is solved with at most the product of the probabilities that the base
solves its atoms, as if training had added nothing but let independent parts be done in a row. A
rejection says that the parts alone do not account for the whole; success below the product says
that the parts are there and are not put together.

The test is one-sided and exact, conservative at finite samples. Atoms are only known from draws, so
each atom's probability is replaced by an upper bound, all of them together wrong with probability
at most `ATOMS_LEVEL`, which is added to the p-value (Berger & Boos 1994). Draws of composites are
then Bernoulli with means of at most U_i; for s of at least one more than the sum of U_i, their
total reaches s no more often than a binomial with their average does (Hoeffding 1956, theorem 4).
The set of composites is fixed: the test speaks of these tasks, not of a family.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from reachgym.support.bounds import clopper_pearson, lower_bound, upper_bound
from reachgym.support.counts import Estimate, TaskCounts

ATOMS_LEVEL = 1e-3


@dataclass(frozen=True, slots=True)
class Composite:
    """A task that is solved by solving others.

    Attributes:
        task: Draws of the judged policy on the whole.
        atoms: Draws of the base on the parts; a part that is needed twice is named twice.
    """

    task: TaskCounts
    atoms: tuple[TaskCounts, ...]


@dataclass(frozen=True, slots=True)
class CompositionTest:
    """Measured success on composites beside what the base's atoms give.

    Means weigh a composite by its draws.

    Attributes:
        policy: The policy judged.
        composites: How many composite tasks.
        atoms: How many different atoms.
        measured: Success on composites, with a Clopper-Pearson interval; `n` counts draws.
        product: Mean product of the atoms' success: unbiased estimate, and the products of atom
            bounds that hold all together; `n` is the fewest draws of an atom.
        p_value: One-sided, against measured success of at most the product.
    """

    policy: str
    composites: int
    atoms: int
    measured: Estimate
    product: Estimate
    p_value: float

    @property
    def excess(self) -> float:
        """Measured success less the product."""
        return self.measured.estimate - self.product.estimate


def composition_test(composites: Sequence[Composite], alpha: float = 0.05) -> CompositionTest:
    """Test that composites are solved more often than the product of their atoms.

    Args:
        composites: Tasks of one policy, each with its atoms.
        alpha: Error of the interval of measured success, and of the bounds of the product.

    Raises:
        ValueError: No composite, several policies, a composite without atoms or draws, or an atom
            with fewer draws than the times that a composite needs it.
    """
    _check(composites)
    atoms = {_key(atom): atom for composite in composites for atom in composite.atoms}
    n = sum(composite.task.n for composite in composites)
    c = sum(composite.task.c for composite in composites)
    ceiling = _mean(composites, _bounds(atoms, ATOMS_LEVEL, upper=True))
    exceeded = c >= n * ceiling + 1.0
    tail = float(stats.binom.sf(c - 1, n, min(1.0, ceiling))) if exceeded else 1.0
    low, high = clopper_pearson(n, c, alpha)
    product = Estimate(
        sum(composite.task.n * _unbiased(composite.atoms) for composite in composites) / n,
        _mean(composites, _bounds(atoms, alpha / 2, upper=False)),
        _mean(composites, _bounds(atoms, alpha / 2, upper=True)),
        min(atom.n for atom in atoms.values()),
    )
    return CompositionTest(
        policy=composites[0].task.policy,
        composites=len(composites),
        atoms=len(atoms),
        measured=Estimate(c / n, float(low), float(high), n),
        product=product,
        p_value=min(1.0, tail + ATOMS_LEVEL),
    )


_Key = tuple[str, int, str, str]


def _key(atom: TaskCounts) -> _Key:
    return atom.policy, atom.seed, atom.family, atom.task


def _bounds(atoms: dict[_Key, TaskCounts], level: float, *, upper: bool) -> dict[_Key, float]:
    """One-sided bounds of all atoms that fail together with probability at most `level`."""
    bound = upper_bound if upper else lower_bound
    each = level / len(atoms)
    return {key: float(bound(atom.n, atom.c, each)) for key, atom in atoms.items()}


def _mean(composites: Sequence[Composite], values: dict[_Key, float]) -> float:
    """Mean over draws of composites of the product of their atoms' values."""
    products = [math.prod(values[_key(atom)] for atom in one.atoms) for one in composites]
    return float(np.average(products, weights=[one.task.n for one in composites]))


def _unbiased(atoms: Sequence[TaskCounts]) -> float:
    """Product of success probabilities: c/n, then (c-1)/(n-1), where an atom is needed again."""
    used: dict[_Key, int] = {}
    product = 1.0
    for atom in atoms:
        before = used.get(_key(atom), 0)
        product *= max(0, atom.c - before) / (atom.n - before)
        used[_key(atom)] = before + 1
    return product


def _check(composites: Sequence[Composite]) -> None:
    if len({composite.task.policy for composite in composites}) != 1:
        raise ValueError("A composition test needs composite tasks of one policy, at least one.")
    for one in composites:
        name = f"{one.task.family}/{one.task.task}"
        if not one.atoms or one.task.n < 1:
            raise ValueError(f"Composite {name} needs draws and at least one atom.")
        for atom in one.atoms:
            needed = sum(_key(atom) == _key(other) for other in one.atoms)
            if atom.n < needed:
                raise ValueError(
                    f"Composite {name} needs {atom.family}/{atom.task} {needed} times, which was"
                    f" drawn {atom.n} times; draw it at least as often."
                )
