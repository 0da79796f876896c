"""Programs for a sandbox, in interpreters that know nothing of this package."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reachgym.envs.graders import answering, frames, judging, plain
from reachgym.envs.graders.program import program

CALL = plain.encode(("f", (1,), {}))


def run(code, folder, *options):
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True).stdout


@pytest.mark.parametrize("same_version", [True, False])
def test_a_program_needs_the_standard_library_alone(tmp_path, same_version):
    source = "def f(x): return x + 1"
    code = program((frames, plain, answering), "answer_calls", "nonce", source, [CALL])
    if not same_version:
        assert repr(sys.version) in code
        code = code.replace(repr(sys.version), "'another'")
    output = run(code, tmp_path, "-I", "-S")
    assert frames.read_frames(output, "nonce") == ["ready", plain.encode({"value": 2})]


def test_files_in_the_working_directory_are_no_modules_for_tests(tmp_path):
    (tmp_path / "colorsys.py").write_text("import os; os._exit(0)")
    cases = [judging.Case(program="import colorsys", answers={})]
    code = program((frames, plain, judging), "judge_cases", "nonce", "", [], cases)
    _, told = frames.read_frames(run(code, tmp_path), "nonce")
    assert '"passed"' in told


@pytest.mark.parametrize(
    ("output", "payloads"),
    [
        ("", []),
        ("n 0 1 a\n", ["a"]),
        ("n 0 1 a\nn 1 3 b c\n", ["a", "b c"]),
        ("n 0 0 \n", [""]),
        ("noise\nn 0 1 a\nnoise\nn 1 1 b\n", ["a", "b"]),
        ("n 0 1 a\nn 2 1 c\n", ["a"]),
        ("n 0 1 a\nn 0 1 b\n", ["a"]),
        ("n 0 5 a\n", []),
        ("n 0 3 ab [999 bytes cut]\n", []),
        ("n 0 1 a\nn 1 9 abc", ["a"]),
        ("m 0 1 a\n", []),
        (" n 0 1 a\n", []),
        ("n 0 +1 a\n", []),
        ("n 0\n", []),
        ("n 0 1 a\rn 1 1 b\n", []),
    ],
)
def test_frames_are_read_whole_and_in_order(output, payloads):
    assert frames.read_frames(output, "n") == payloads
