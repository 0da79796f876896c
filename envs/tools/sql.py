"""The `sql` tool: reads the task's tables with SQLite, inside the sandbox."""

from __future__ import annotations

import inspect
from functools import lru_cache

from reachgym.envs.errors import SandboxError, ToolError
from reachgym.envs.sandbox.protocol import ExecResult, Outcome
from reachgym.envs.tools import sql_program
from reachgym.envs.tools.base import Tool, tool
from reachgym.envs.tools.ending import ending_of
from reachgym.envs.tools.sql_program import DATABASE, QUERY_CHARACTERS, REFUSED
from reachgym.envs.tools.sql_tables import database_of
from reachgym.envs.workspace import Workspace

NO_ROWS = "-"
BARE_CHARACTERS = 32


def sql_tool(workspace: Workspace) -> Tool:
    """The `sql` tool over a database of the task's CSV files, as `database_of` makes it.

    It only reads, and it reads the files as the task has them, whatever an agent did to its own
    copies. A query runs in the sandbox, in a process of its own; there SQLite refuses whatever
    does not read, and stops after a number of steps or bytes. What is wrong with a query becomes a
    `ToolError`; a sandbox that broke is a `SandboxError`.

    The result is a line of column names and a line for each row, values between `|`. A value that
    holds `|`, `"` or a line break is quoted as in CSV, NULL is written `NULL`, a real number with
    the fewest digits that read back to it, a blob as `x'..'`. At most 100 rows are shown.
    """

    @tool
    def sql(query: str) -> str:
        """Run one SELECT on the SQLite database. You get column names, then rows, | between values.

        Args:
            query: A query in SQLite's dialect; nothing can be written.
        """
        return _answer(workspace, query, header=True)

    return sql


def bare_sql_tool(workspace: Workspace) -> Tool:
    """The `sql` tool of the small world: values without column names, 32 characters at most."""

    @tool
    def sql(query: str) -> str:
        """Run one SELECT on the SQLite database and read the values.

        Args:
            query: A query in SQLite's dialect.
        """
        return _answer(workspace, query, header=False)[:BARE_CHARACTERS] or NO_ROWS

    return sql


def _answer(workspace: Workspace, query: str, *, header: bool) -> str:
    if len(query) > QUERY_CHARACTERS:
        raise ToolError(
            f"a query has at most {QUERY_CHARACTERS:,} characters, got {len(query):,}; shorten it"
        )
    code = f"{_program()}\nrun({query!r}, {header})\n"
    result = workspace.sandbox().exec(code, files={DATABASE: database_of(workspace.task.files)})
    if result.outcome is Outcome.EXITED and result.exit_code == 0:
        return result.stdout
    raise _fault(result)


@lru_cache
def _program() -> str:
    return inspect.getsource(sql_program)


def _fault(result: ExecResult) -> ToolError | SandboxError:
    if result.outcome is not Outcome.EXITED:
        return ToolError(ending_of(result))
    if result.exit_code == REFUSED:
        return ToolError(result.stderr)
    last = result.stderr.strip().rpartition("\n")[2]
    return SandboxError(
        f"queries need a Python of 3.11 or newer, with SQLite, in the sandbox; it says: {last}"
    )
