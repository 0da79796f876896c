"""Grading of programs that a model wrote, which cannot be won by tampering.

The candidate may do all that the sandbox lets it: read and replace everything in its process, its
files and its descriptors, lie, exit, hang, flood. So nothing that decides is ever in its reach:

- The candidate runs in executions of its own. Into them go its source and the arguments of calls
  (`answering`), or a standard input, or files to start with (`running`); never a test, an expected
  value or a verdict. Out of them comes text, which is believed to be the candidate's answer and
  nothing more: a forged answer is an answer, and counts if it is right.
- Tests run in other executions, without the candidate (`judging`). There its answers are rebuilt
  as plain values (`plain`), so that no comparison calls anything the candidate made: an object
  that is equal to everything cannot be sent. An answer that did not come fails its test, whatever
  the test makes of it.
- A verdict is a line under a nonce made for one such execution, which no candidate lives to see.
  An exit status is never one. What a test prints is dropped, so that an answer it prints is no
  line of the verdict's channel.
- This process takes answers for text, which it passes on, decodes to bytes or compares word by
  word; it parses verdicts alone.

All of it rests on the sandbox's promise that nothing of one execution outlives it or reaches
another. What remains is in the tests' hands: a weak test is passed by a wrong program, and a test
or check that runs an answer as code gives the verdict away. `eval`, `exec` and `compile` are
therefore not among a test's builtins.
"""

from reachgym.envs.graders.report import CaseReport, Report
from reachgym.envs.graders.shapes import apps_task, humaneval_task, mbpp_task
from reachgym.envs.graders.state_check import StateCheck
from reachgym.envs.graders.stdin_stdout import StdinTests
from reachgym.envs.graders.unit_tests import UnitTests
from reachgym.envs.graders.verifying import (
    CodeTests,
    code_verifier,
    gold_of,
    program_in,
    read_gold,
)

__all__ = [
    "CaseReport",
    "CodeTests",
    "Report",
    "StateCheck",
    "StdinTests",
    "UnitTests",
    "apps_task",
    "code_verifier",
    "gold_of",
    "humaneval_task",
    "mbpp_task",
    "program_in",
    "read_gold",
]
