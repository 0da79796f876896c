"""What grading found, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reachgym.envs.errors import TaskError
from reachgym.envs.types import Verdict


@dataclass(frozen=True, slots=True)
class CaseReport:
    """How one test case went.

    Attributes:
        passed: The candidate did what the case asks for.
        why: What went wrong, for a person; empty when passed.
    """

    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How all test cases went, in their order."""

    cases: tuple[CaseReport, ...]

    @property
    def score(self) -> float:
        """The share of cases that passed."""
        return sum(case.passed for case in self.cases) / len(self.cases)

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(case.passed for case in self.cases)

    def verdict(self) -> Verdict:
        """Passed when every case passed; the reward is the score."""
        count = sum(case.passed for case in self.cases)
        told = f"{count} of {len(self.cases)} test cases passed."
        failures = [f" Case {n}: {c.why}." for n, c in enumerate(self.cases) if not c.passed]
        return Verdict(self.score, self.passed, told + "".join(failures[:1]))


def require_cases(cases: Sequence[object]) -> None:
    """Refuse tests without cases, which anything would pass.

    Raises:
        TaskError: There are none.
    """
    if not cases:
        raise TaskError("expected at least one test case, got none; give the tests some")
