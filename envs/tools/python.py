"""The `python` tool: runs the agent's code in a sandbox, and answers as a REPL would."""

from __future__ import annotations

import signal
from collections.abc import Callable

from reachgym.envs.errors import ToolError
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, Sandbox
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.tools.base import Tool, tool

# Runs inside the sandbox: parsing hostile code can crash an interpreter.
_REPL = """
def _repl(source):
    import ast, sys
    tree = ast.parse(source, "<python>")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    names = sys.modules["__main__"].__dict__
    del names["_repl"]
    exec(compile(tree, "<python>", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "<python>", "eval"), names)
        if value is not None:
            print(repr(value))
_repl({source!r})
"""


def python_tool(sandbox: Callable[[], Sandbox] = shared_sandbox) -> Tool:
    """The `python` tool.

    What it prints is its result, followed, as in a REPL, by the value of a final expression. An
    exception, a deadline or a limit is the code's own doing and becomes a `ToolError`; a sandbox
    that broke is a `SandboxError`.

    Args:
        sandbox: Gives the sandbox to run in; called at each use. Its limits are the tool's.
    """

    @tool
    def python(code: str) -> str:
        """Run Python code. You get what it prints and the value of a final expression.

        Args:
            code: The program; every call starts afresh.
        """
        result = sandbox().exec(_REPL.replace("{source!r}", repr(code)))
        if result.outcome is Outcome.EXITED and result.exit_code == 0:
            return result.stdout.rstrip("\n")
        raise ToolError(_complaint(result))

    return python


def _complaint(result: ExecResult) -> str:
    if result.outcome is Outcome.TIMEOUT:
        return f"timed out after {result.seconds:.3g} s"
    if result.outcome is Outcome.KILLED:
        return f"killed by {_signal_name(-result.exit_code)}, perhaps for a resource limit"
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else f"exited with status {result.exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
