"""Sequence policies as explicit tables, whose every trajectory is enumerated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from reachgym.support.importance import Successes

TOKENS, STEPS = 4, 6
TRAJECTORIES = np.array(list(itertools.product(range(TOKENS), repeat=STEPS)))
# The row of a table that stands for the start comes after those of the tokens.
PREVIOUS = np.concatenate([np.full((TOKENS**STEPS, 1), TOKENS), TRAJECTORIES[:, :-1]], axis=1)
# Two routes to success, by their first three tokens: (place, previous token or any, token).
SCRATCH = ((0, None, 1), (1, 1, 2), (2, 2, 1))
IN_ITS_HEAD = ((0, None, 3), (1, 3, 3), (2, 3, 3))


class TabularWorld:
    """One task: verifier, base, trained policies, all by enumeration over 4**6 trajectories.

    A policy is a table of next-token probabilities by step and previous token. Policies are given
    by the probabilities of the three steps of either route; other tokens share what is left,
    evenly in the base and unevenly in trained policies.
    """

    def __init__(self, scratch: tuple, in_its_head: tuple) -> None:
        self.solved = _follows(SCRATCH) | _follows(IN_ITS_HEAD)
        self.base = self.trained(scratch, in_its_head)
        self.p0 = float(np.exp(self.base)[self.solved].sum())

    def trained(self, scratch: tuple, in_its_head: tuple, noise=0.0, seed=0) -> np.ndarray:
        """Log-probability of every trajectory under one policy."""
        rng = np.random.default_rng(seed)
        table = np.exp(noise * rng.standard_normal((STEPS, TOKENS + 1, TOKENS)))
        given = np.zeros(table.shape, dtype=bool)
        for route, chances in ((SCRATCH, scratch), (IN_ITS_HEAD, in_its_head)):
            for (step, previous, token), chance in zip(route, chances, strict=True):
                rows = slice(None) if previous is None else previous
                table[step, rows, token] = chance
                given[step, rows, token] = True
        left = 1 - np.where(given, table, 0).sum(-1, keepdims=True)
        rest = np.where(given, 0, table)
        table = np.where(given, table, rest * left / rest.sum(-1, keepdims=True))
        return np.log(table[np.arange(STEPS), PREVIOUS, TRAJECTORIES]).sum(axis=1)

    def draw(self, rng, policies, draws):
        """Trajectories drawn from every policy, as rows of the enumeration."""
        each = zip(policies, draws, strict=True)
        return [rng.choice(len(TRAJECTORIES), size=n, p=np.exp(logp)) for logp, n in each]

    def successes(self, policies, drawn):
        """What is scored of the trajectories drawn: the successes, under every policy."""
        rows = np.concatenate(drawn)
        policy = np.repeat(np.arange(len(drawn)), [len(part) for part in drawn])
        place = np.concatenate([np.arange(len(part)) for part in drawn])
        kept = self.solved[rows]
        return Successes(
            logprobs_S_M=np.stack(policies, axis=1)[rows[kept]],
            policy_S=policy[kept],
            place_S=place[kept],
            route_S=rows[kept],
        )


def _follows(route):
    return np.all([TRAJECTORIES[:, step] == token for step, _, token in route], axis=0)


@pytest.fixture
def world():
    return TabularWorld
