"""The `sql` tool: CSV files as tables, answers, faults in words, and hostile queries."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Self

import pytest

from reachgym.envs.errors import SandboxError, TaskError, ToolError
from reachgym.envs.sandbox.protocol import ExecResult, Outcome
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.tools.base import Tool
from reachgym.envs.tools.sql import bare_sql_tool, sql_tool
from reachgym.envs.tools.sql_tables import database_of
from reachgym.envs.types import Task
from reachgym.envs.workspace import Workspace

ROWS = "".join(f"k{i},{i},{i / 8},é{i}\n" for i in range(300))
FILES = {
    "t.csv": f"k,n,x,v\n{ROWS}",
    "data/stock.csv": 'id,left,note\n007,,"a|b ""c"""\n12,5,\n',
    "about.txt": "no table",
}
COUNTING = "with recursive c(i) as (select 1 union all select i + 1 from c) "


def begun(files: dict[str, str] = FILES) -> Workspace:
    try:
        shared_sandbox()
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox: {error}")
    workspace = Workspace()
    workspace.begin(Task("t", "?", "!", files=files))
    return workspace


@pytest.fixture(scope="module")
def sql() -> Tool:
    return sql_tool(begun())


@pytest.fixture(scope="module")
def bare() -> Tool:
    return bare_sql_tool(begun())


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("select v from t where k = 'k7'", "v\né7"),
        ("select n, x from t where n < 2;", "n|x\n0|0.0\n1|0.125"),
        ("select * from stock", 'id|left|note\n007|NULL|"a|b ""c"""\n12|5|NULL'),
        ("select v from t where n > 999", "v\n(no rows)"),
        (
            "select 'NULL' as a, '' as b, x'00ff' as c, null as d",
            'a|b|c|d\n"NULL"|""|x\'00ff\'|NULL',
        ),
        ("select 'x\ny' as a", 'a\n"x\ny"'),
        ("select 0.1 + 0.2 as a, 3.0 as b, 9e999 as c", "a|b|c\n0.30000000000000004|3.0|inf"),
        ("select '猫😀' as \"ü\"", "ü\n猫😀"),
        ("select sum(n) over (order by n) as s from t limit 3", "s\n0\n1\n3"),
        ("with a as (select max(n) as m from t) select k from t, a where n = m", "k\nk299"),
        ("select name from sqlite_master order by name", "name\nstock\nt"),
        (f"{COUNTING}select i from c limit 2", "i\n1\n2"),
    ],
)
def test_a_query_is_answered_with_names_and_rows(sql, query, answer):
    assert sql.run({"query": query}) == answer


def test_columns_of_a_table_can_be_asked_for(sql):
    assert "0|id|TEXT" in sql.run({"query": "pragma table_info(stock)"})


def test_no_more_rows_are_shown_than_can_be_read(sql):
    assert sql.run({"query": "select n from t"}).endswith("\n99\n(100 rows shown; there are more)")
    long = sql.run({"query": "select k, printf('%.150c', 'x') from t"})
    assert len(long) < 3300
    assert long.endswith("rows shown; there are more)")
    assert sql.run({"query": "select printf('%.999c', 'x') as a"}) == "a\n" + "x" * 200 + "..."


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("select v from t where k='k7'", "é7"),
        ("select n,x from t limit 2", "0|0.0\n1|0.125"),
        ("select v from t where n>999", "-"),
        ("select printf('%.99c','x')", "x" * 32),
    ],
)
def test_the_small_worlds_tool_gives_bare_values(bare, query, answer):
    assert bare.run({"query": query}) == answer


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "select u from t",
            "no such column: u; the tables are stock(id, left, note), t(k, n, x, v)",
        ),
        ("select * from u", "no such table: u; the tables are stock("),
        ("select from", "syntax error"),
        ("select nosuch(1)", "no such function: nosuch"),
        ("select 1; select 2", "one statement at a time"),
        ("", "write one SELECT"),
        ("-- nothing", "write one SELECT"),
        ("select '\ud800'", "surrogates"),
        ("select 'a\0b'", "null character"),
        ("select ?", "bindings"),
        ("select 1" + " " * 10_000, "at most 10,000 characters, got 10,008"),
    ],
)
def test_what_is_wrong_with_a_query_is_said_in_a_line(sql, query, words):
    with pytest.raises(ToolError) as refusal:
        sql.run({"query": query})
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "query",
    [
        "attach 'other.db' as o",
        "attach ':memory:' as o",
        "detach main",
        "pragma writable_schema = 1",
        "pragma hard_heap_limit = 0",
        "pragma temp_store_directory = '/'",
        "select * from pragma_database_list",
        "insert into t values (1, 2, 3, 4)",
        "with a as (select 1) delete from t",
        "update t set v = 'x'",
        "drop table t",
        "create table a (b)",
        "create temp table a (b)",
        "create trigger a after insert on t begin select 1; end",
        "vacuum",
        "vacuum into 'copy.db'",
        "begin",
        "savepoint a",
        "analyze",
        "select load_extension('libc.so.6')",
        "select LOAD_EXTENSION('libc.so.6')",
        "select randomblob(1e9)",
        "select v from t order by random()",
    ],
)
def test_what_does_not_read_is_refused(sql, query):
    with pytest.raises(ToolError, match="sql only reads: write one SELECT"):
        sql.run({"query": query})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"{COUNTING}select count(*) from c", "stopped after"),
        (f"{COUNTING}select i from c where i < 0", "stopped after"),
        ("select count(*) from t a, t b, t c, t d", "stopped after"),
        ("select sum(a.v like '%' || b.v || '%') from t a, t b, t c", "stopped after"),
        (f"{COUNTING}select count(distinct i || hex(zeroblob(9999))) from c", "too much memory"),
        ("select a.v from t a, t b, t c order by a.v || b.v || c.v", "too much memory"),
        ("select hex(zeroblob(1e9))", "too big"),
        ("select group_concat(a.v || b.v) from t a, t b", "too big"),
        ("select replace(hex(zeroblob(40000)), '0', 'aaaaaaaa')", "too big"),
        ("select " + "(" * 3000 + "1" + ")" * 3000, "overflow"),
        ("select " + "+".join("1" * 500), "too large"),
        ("select " + ",".join("1" * 500), "too many columns"),
        (" union all ".join(["select 1"] * 90), "too many terms"),
    ],
)
def test_what_would_not_end_or_not_fit_is_stopped_and_said(sql, query, words):
    with pytest.raises(ToolError, match=words):
        sql.run({"query": query})


def test_the_tables_are_as_they_were_after_everything(sql):
    assert sql.run({"query": "select count(*), sum(n) from t"}) == "count(*)|sum(n)\n300|44850"


def test_what_an_agent_writes_into_its_files_changes_no_table():
    workspace = begun()
    workspace.session().run("open('t.csv', 'w').write('k\\nforged\\n')")
    answer = sql_tool(workspace).run({"query": "select count(*) as n from t"})
    workspace.end()
    assert answer == "n\n300"


def test_column_types_follow_from_their_values():
    files = {"t.csv": "a,b,c,d,e,f\n1,1,01,,9999999999999999999,x\n-2,2.5e3,2,,1,\n"}
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database_of(files))
    with closing(connection):
        types = [row[2] for row in connection.execute("pragma table_info(t)")]
        rows = connection.execute("select * from t").fetchall()
    assert types == ["INTEGER", "REAL", "TEXT", "TEXT", "REAL", "TEXT"]
    assert rows == [(1, 1.0, "01", None, 1e19, "x"), (-2, 2500.0, "2", None, 1.0, None)]


def test_names_of_tables_and_columns_are_any_text():
    files = {'a "b".csv': 'x y,"select ""1"""\n1,2\n'}
    answer = sql_tool(begun(files)).run({"query": 'select * from "a ""b"""'})
    assert answer == 'x y|"select ""1"""\n1|2'


def test_a_task_without_tables_has_an_empty_database():
    tool = sql_tool(begun({}))
    assert tool.run({"query": "select 1 as a"}) == "a\n1"
    with pytest.raises(ToolError, match="no such table: t; there are no tables"):
        tool.run({"query": "select * from t"})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"t.csv": ""}, "'t.csv' cannot be made a table: expected a first line"),
        ({"t.csv": "a,b\n1\n"}, "row 2 has 1 values, the header has 2"),
        ({"t.csv": "a,a\n1,2\n"}, "duplicate column name"),
        ({"a/t.csv": "a\n", "b/T.csv": "a\n"}, "already exists"),
    ],
)
def test_files_that_are_no_tables_are_refused(files, words):
    with pytest.raises(TaskError, match=words):
        database_of(files)


class FixedSandbox:
    """One in which every execution ends in the same way."""

    level = "fixed"

    def __init__(self, result: ExecResult) -> None:
        self._result = result

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        return self._result

    def close(self) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def run_with(result: ExecResult) -> str:
    workspace = Workspace(lambda: FixedSandbox(result))
    workspace.begin(Task("t", "?", "!"))
    return sql_tool(workspace).run({"query": "select 1"})


def test_a_deadline_is_the_querys_own_fault():
    with pytest.raises(ToolError, match="timed out after 5 s"):
        run_with(ExecResult(Outcome.TIMEOUT, -9, "", "", False, 5.0))


def test_a_sandbox_without_sqlite_is_not_the_agents_fault():
    stderr = "Traceback\nModuleNotFoundError: No module named '_sqlite3'\n"
    with pytest.raises(SandboxError, match=r"Python of 3.11.*No module named '_sqlite3'"):
        run_with(ExecResult(Outcome.EXITED, 1, "", stderr, False, 0.1))
