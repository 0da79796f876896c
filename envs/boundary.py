"""The boundary around what others wrote: what a tool or a verifier raises breaks no rollout."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from reachgym.envs.errors import InfrastructureError
from reachgym.envs.types import Verdict
from reachgym.envs.verifier import Attempt, Verifier

ResultT = TypeVar("ResultT")


def guarded(what: str, work: Callable[[], ResultT]) -> ResultT:
    """Run a tool or a verifier; whatever it raises is the infrastructure's failure.

    Raises:
        InfrastructureError: It raised something.
    """
    try:
        return work()
    except InfrastructureError:
        raise
    except Exception as error:
        raise InfrastructureError(
            f"the {what} failed with {type(error).__name__}: {error}"
        ) from error


def judged(verifier: Verifier, attempt: Attempt) -> Verdict:
    """What a verifier says of an attempt, if it says something that counts.

    Raises:
        InfrastructureError: It failed, or gave no verdict with a finite reward.
    """
    verdict = guarded("verifier", partial(verifier, attempt))
    if not isinstance(verdict, Verdict):
        raise InfrastructureError(f"a verifier must return a Verdict; got {type(verdict).__name__}")
    if verdict.reward is None or verdict.passed is None:
        raise InfrastructureError(f"the attempt could not be scored: {verdict.explanation}")
    if not math.isfinite(verdict.reward):
        raise InfrastructureError(f"a reward must be finite; got {verdict.reward}")
    return verdict
