"""The `python` tool: a REPL's answers, the code's faults, the sandbox's failures."""

from __future__ import annotations

from typing import Self

import pytest

from reachgym.envs.errors import SandboxError, ToolError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import ExecResult, SandboxLimits
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.tools.base import Tool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.workspace import Workspace


@pytest.fixture(scope="module")
def python() -> Tool:
    try:
        shared_sandbox()
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox: {error}")
    return python_tool(Workspace())


class BrokenSandbox:
    """One whose machine failed."""

    level = "broken"

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        raise SandboxError("the machine is gone")

    def close(self) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("345*678", "233910"),
        ("print(345*678)", "233910"),
        ("'a'", "'a'"),
        ("x = 3\nx + 1", "4"),
        ("x = 3", ""),
        ("None", ""),
        ("", ""),
        ("print(1)\n2", "1\n2"),
        ("def f():\n    return len(__name__)\nf()", "8"),
        ("[n for n in range(3)]", "[0, 1, 2]"),
        ("import sys; print('x', file=sys.stderr); 5", "5"),
        ("exit()", ""),
    ],
)
def test_it_answers_as_a_repl(python: Tool, code: str, answer: str) -> None:
    assert python.run({"code": code}) == answer


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("a b", "SyntaxError: invalid syntax"),
        ("'\ud800'", "surrogates not allowed"),
        ("(" * 10**5, "Error"),
        ("import sys; sys.exit('no')", "no"),
        ("import os; os._exit(4)", "exited with status 4"),
        ("import os; os.abort()", "killed by SIGABRT"),
    ],
)
def test_the_codes_fault_is_told_in_one_line(python: Tool, code: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint) as caught:
        python.run({"code": code})
    assert "\n" not in str(caught.value)


def test_a_deadline_is_the_codes_own_doing(python: Tool) -> None:
    with (
        NamespacesSandbox(SandboxLimits(wall_s=0.5)) as hasty,
        pytest.raises(ToolError, match=r"timed out after 0\.5"),
    ):
        python_tool(Workspace(lambda: hasty)).run({"code": "while True: pass"})


def test_a_broken_sandbox_is_no_fault_of_the_code() -> None:
    with pytest.raises(SandboxError, match="the machine is gone"):
        python_tool(Workspace(BrokenSandbox)).run({"code": "1"})


def test_the_agent_is_told_of_one_argument() -> None:
    spec = python_tool(Workspace()).spec
    assert spec.name == "python"
    assert list(spec.parameters["properties"]) == ["code"]
    assert "final expression" in spec.description


def test_calls_do_not_share_names(python: Tool) -> None:
    python.run({"code": "x = 1"})
    with pytest.raises(ToolError, match="NameError"):
        python.run({"code": "x"})
