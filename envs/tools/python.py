"""The `python` tool: runs the agent's code in a sandbox, and answers as a REPL would."""

from __future__ import annotations

from reachgym.envs.errors import ToolError
from reachgym.envs.sandbox.protocol import ExecResult, Outcome
from reachgym.envs.tools.base import Tool, tool
from reachgym.envs.tools.ending import ending_of
from reachgym.envs.workspace import Workspace

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


def python_tool(workspace: Workspace) -> Tool:
    """The `python` tool whose calls know nothing of one another.

    What it prints is its result, followed, as in a REPL, by the value of a final expression. An
    exception, a deadline or a limit is the code's own doing and becomes a `ToolError`; a sandbox
    that broke is a `SandboxError`. Every call finds the task's files as they were.
    """

    @tool(informs=False)
    def python(code: str) -> str:
        """Run Python code. You get what it prints and the value of a final expression.

        Args:
            code: The program; every call starts afresh.
        """
        source = _REPL.replace("{source!r}", repr(code))
        result = workspace.sandbox().exec(source, files=workspace.files)
        if result.outcome is Outcome.EXITED and result.exit_code == 0:
            return result.stdout.rstrip("\n")
        raise ToolError(_complaint(result))

    return python


def _complaint(result: ExecResult) -> str:
    lines = result.stderr.strip().splitlines()
    raised = result.outcome is Outcome.EXITED and lines
    return lines[-1] if raised else ending_of(result)
