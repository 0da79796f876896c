"""The tools of an agent that works in one place: `python` and `shell` on an episode's session."""

from __future__ import annotations

from reachgym.envs.errors import ToolError
from reachgym.envs.sandbox.protocol import ExecResult, Outcome
from reachgym.envs.tools.base import Tool, tool
from reachgym.envs.tools.ending import ending_of
from reachgym.envs.workspace import Workspace


def session_python_tool(workspace: Workspace) -> Tool:
    """The `python` tool whose names and files live as long as the episode.

    An exception, a deadline or a limit becomes a `ToolError` that also tells what was printed; a
    sandbox that broke is a `SandboxError`.
    """

    @tool(informs=False)
    def python(code: str) -> str:
        """Run Python code in a session. You get its output and the value of a final expression.

        Args:
            code: The next cell; names and files of earlier calls are still there.
        """
        result = workspace.session().run(code)
        if result.outcome is Outcome.EXITED and result.exit_code == 0:
            return _output(result)
        raised = result.outcome is Outcome.EXITED and result.stderr.strip()
        raise ToolError(_output(result) if raised else _with_ending(result))

    return python


def shell_tool(workspace: Workspace) -> Tool:
    """The `shell` tool, in the same working directory as the session's `python`.

    A command's status is part of its result, since many commands say something by it; a deadline
    or a limit becomes a `ToolError`. A sandbox that broke is a `SandboxError`.
    """

    @tool(informs=False)
    def shell(command: str) -> str:
        """Run a command in a POSIX shell. You get its output, and its status if that is not 0.

        Args:
            command: What to run; the working directory keeps its files from call to call.
        """
        result = workspace.session().shell(command)
        if result.outcome is not Outcome.EXITED:
            raise ToolError(_with_ending(result))
        return _with_ending(result) if result.exit_code else _output(result)

    return shell


def _output(result: ExecResult) -> str:
    parts = (result.stdout.rstrip("\n"), result.stderr.rstrip("\n"))
    return "\n".join(part for part in parts if part)


def _with_ending(result: ExecResult) -> str:
    return "\n".join(filter(None, (_output(result), f"[{ending_of(result)}]")))
