"""Tests that judge the files a program left, once all its processes are dead."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from reachgym.envs.graders import frames, judging, running
from reachgym.envs.graders.program import program
from reachgym.envs.graders.report import CaseReport, Report, require_cases
from reachgym.envs.graders.unit_tests import judge
from reachgym.envs.sandbox.protocol import Sandbox


@dataclass(frozen=True, slots=True)
class StateCheck:
    """Files a program starts with, and programs that check those it left.

    The files are copied out as data, within what the sandbox keeps of output (a third of it is
    lost to their encoding), and a checker finds them in its own working directory. It must not
    import them, run them or unpickle them: who does hands the verdict to the candidate.

    Attributes:
        paths: Files to be checked, relative to the working directory; one that the candidate did
            not leave as a regular file is missing.
        cases: One checking program per test case; it passes unless it raises.
        setup: Runs before each case.
        files: What the candidate finds in its working directory, path to text.
        prefix: Source that precedes the candidate's.
    """

    paths: tuple[str, ...]
    cases: tuple[str, ...]
    setup: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""

    def __post_init__(self) -> None:
        require_cases(self.cases)

    def grade(self, source: str, sandbox: Sandbox) -> Report:
        """Run the candidate's program, then check what it left.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        left = self._left(self.prefix + source, sandbox)
        if left is None:
            return Report(
                (CaseReport(False, "the program's files are not known"),) * len(self.cases)
            )
        programs = [judging.Case(program=case, answers={}) for case in self.cases]
        states = judge(programs, sandbox, setup=self.setup, files=left)
        waits = CaseReport(False, "a check calls no functions")
        return Report(tuple(s if isinstance(s, CaseReport) else waits for s in states))

    def _left(self, source: str, sandbox: Sandbox) -> dict[str, bytes] | None:
        """The files after the candidate's execution, or None where they did not come whole."""
        nonce = secrets.token_hex(16)
        code = program((frames, running), "run_and_show_files", nonce, source, list(self.paths))
        given = {path: text.encode() for path, text in self.files.items()}
        found = frames.read_frames(sandbox.exec(code, files=given).stdout, nonce)[1:]
        if len(found) != len(self.paths):
            return None
        contents = zip(self.paths, found, strict=True)
        try:
            return {
                path: base64.b64decode(text, validate=True)
                for path, text in contents
                if text != running.MISSING
            }
        except binascii.Error:
            return None
