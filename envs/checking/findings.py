"""What a check finds in an environment, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found.

    Attributes:
        check: The check's name.
        message: What was expected and what came.
        mend: What to do about it.
        error: False where it may be as it should be, and a person has to judge.
    """

    check: str
    message: str
    mend: str
    error: bool = True


@dataclass(frozen=True, slots=True)
class Checked:
    """A check that was made.

    Attributes:
        name: Its name.
        looked_at: What it looked at, with its numbers.
        findings: What it found.
    """

    name: str
    looked_at: str
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """`failed` with an error among the findings, `warning` with others only, else `ok`."""
        if any(finding.error for finding in self.findings):
            return "failed"
        return "warning" if self.findings else "ok"


@dataclass(slots=True)
class Notes:
    """What a check writes down while it is made.

    Attributes:
        check: Its name.
        looked_at: What it looked at.
        findings: What it found so far.
    """

    check: str
    looked_at: str = ""
    findings: list[Finding] = field(default_factory=list)

    def error(self, message: str, mend: str) -> None:
        """Note what is wrong."""
        self.findings.append(Finding(self.check, message, mend))

    def warn(self, message: str, mend: str) -> None:
        """Note what a person has to judge."""
        self.findings.append(Finding(self.check, message, mend, error=False))
