"""Sessions of the namespaces level: what they remember, what ends them, what a branch shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import Outcome, SandboxLimits
from reachgym.envs.sandbox.session import NamespacesSession

LIMITS = SandboxLimits(wall_s=1.0, memory_bytes=128 * 2**20, output_bytes=1000)
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[NamespacesSandbox]:
    with NamespacesSandbox(LIMITS) as opened:
        yield opened


@pytest.fixture
def session(sandbox: NamespacesSandbox) -> Iterator[NamespacesSession]:
    with sandbox.open_session() as opened:
        yield opened


def test_names_live_from_call_to_call(session: NamespacesSession) -> None:
    assert session.run("x = 20").stdout == ""
    assert session.run("x + 1").stdout == "21\n"


def test_an_exception_is_told_as_a_repl_tells_it_and_leaves_the_names(
    session: NamespacesSession,
) -> None:
    session.run("x = 1")
    failed = session.run("x / 0")
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[1:] == [
        '  File "<cell>", line 1, in <module>',
        "ZeroDivisionError: division by zero",
    ]
    assert session.run("x").stdout == "1\n"


def test_leaving_a_cell_does_not_leave_the_session(session: NamespacesSession) -> None:
    session.run("x = 1")
    assert session.run("import sys; sys.exit(3)").exit_code == 3
    assert session.run("x").stdout == "1\n"


def test_a_cell_and_a_shell_share_the_working_directory(session: NamespacesSession) -> None:
    session.run("open('a.txt', 'w').write('one')")
    assert session.shell("cat a.txt; echo two > b.txt; pwd").stdout == "one/tmp\n"
    assert session.run("open('b.txt').read()").stdout == "'two\\n'\n"


def test_what_a_shell_reports_is_its_own(session: NamespacesSession) -> None:
    failed = session.shell("echo no >&2; exit 4")
    assert (failed.outcome, failed.exit_code) == (Outcome.EXITED, 4)
    assert failed.stderr == "no\n"


def test_files_go_in_and_out_unchanged(session: NamespacesSession) -> None:
    content = bytes(range(256)) * 400
    session.write({"deep/in/side.bin": content})
    assert session.read("deep/in/side.bin") == content
    assert session.run("len(open('deep/in/side.bin', 'rb').read())").stdout == "102400\n"


@pytest.mark.parametrize(
    ("made_by", "path", "why"),
    [
        ("pass", "none.txt", "No such file"),
        ("import os; os.symlink('/usr/bin/python3', 'out')", "out", "leads out of"),
        ("import os; os.mkfifo('pipe')", "pipe", "no regular file"),
        ("import os; os.mkdir('folder')", "folder", "no regular file"),
        ("pass", "/dev/zero", "leads out of"),
        ("pass", "../usr/bin/python3", "leads out of"),
    ],
)
def test_only_regular_files_of_the_working_directory_come_out(
    session: NamespacesSession, made_by: str, path: str, why: str
) -> None:
    session.run(made_by)
    with pytest.raises(InputError, match=why):
        session.read(path)


def test_files_that_do_not_belong_inside_do_not_go_in(session: NamespacesSession) -> None:
    with pytest.raises(InputError, match="inside the working directory"):
        session.write({"../out": b""})
    with pytest.raises(InputError, match="at most"):
        session.write({"large": bytes(LIMITS.file_bytes + 1)})
    with pytest.raises(InputError, match="cannot be written"):
        session.write({"a": b"", "a/b": b""})


def test_a_cell_past_its_deadline_is_interrupted_and_the_names_stay(
    session: NamespacesSession,
) -> None:
    session.run("x = 1")
    late = session.run("while True: pass")
    assert late.outcome is Outcome.TIMEOUT
    assert late.stderr.endswith("KeyboardInterrupt\n")
    assert session.run("x").stdout == "1\n"


def test_a_cell_that_will_not_stop_is_killed_and_the_files_stay(
    session: NamespacesSession,
) -> None:
    session.write({"kept": b"yes"})
    session.run("x = 1")
    assert session.run(STUBBORN).outcome is Outcome.TIMEOUT
    assert "NameError" in session.run("x").stderr
    assert session.read("kept") == b"yes"


def test_a_shell_past_its_deadline_is_killed(session: NamespacesSession) -> None:
    assert session.shell("sleep 30").outcome is Outcome.TIMEOUT
    assert session.shell("echo on").stdout == "on\n"


def test_a_repl_that_dies_is_replaced(session: NamespacesSession) -> None:
    died = session.run("import os; os.kill(os.getpid(), 9)")
    assert (died.outcome, died.exit_code) == (Outcome.KILLED, -9)
    assert session.run("1").stdout == "1\n"


def test_too_much_memory_ends_the_cell_and_not_the_session(session: NamespacesSession) -> None:
    ended = session.run("x = [bytearray(2**20) for _ in range(2000)]")
    assert ended.outcome is Outcome.KILLED or "MemoryError" in ended.stderr
    assert session.run("1").stdout == "1\n"


def test_the_middle_of_long_output_is_cut_and_said_so(session: NamespacesSession) -> None:
    long = session.run("print('a' * 5000 + 'b' * 5000)")
    assert long.truncated
    assert long.stdout == "a" * 500 + "\n[9001 bytes cut]\n" + "b" * 499 + "\n"


def test_a_branch_has_names_and_files_of_its_own(session: NamespacesSession) -> None:
    session.run("x = [1]")
    session.write({"f": b"1"})
    with session.branch() as branch:
        branch.run("x.append(2); open('f', 'w').write('2')")
        assert branch.run("x").stdout == "[1, 2]\n"
        assert (branch.read("f"), session.read("f")) == (b"2", b"1")
    assert session.run("x").stdout == "[1]\n"


def test_what_was_cut_short_cannot_be_branched(session: NamespacesSession) -> None:
    session.run("while True: pass")
    with pytest.raises(SandboxError, match="interrupted or killed half-way"):
        session.branch()


def test_sessions_see_neither_one_another_nor_executions(
    sandbox: NamespacesSandbox, session: NamespacesSession
) -> None:
    session.write({"mine": b""})
    with sandbox.open_session() as other:
        assert other.shell("ls").stdout == ""
        assert other.run("import os; os.kill(-1, 15)").outcome is not Outcome.TIMEOUT
    assert sandbox.exec("import os; print(os.listdir())").stdout == "[]\n"
    assert session.shell("ls").stdout == "mine\n"


def test_a_closed_session_leaves_nothing_and_says_so(
    sandbox: NamespacesSandbox,
    descendants: Callable[[int], list[int]],
    gone: Callable[[list[int]], bool],
) -> None:
    before = set(descendants(os.getpid()))
    session = sandbox.open_session()
    session.shell("sleep 100 & sleep 100 & true")
    own = [pid for pid in descendants(os.getpid()) if pid not in before]
    assert len(own) >= 4
    session.close()
    session.close()
    assert gone(own)
    with pytest.raises(SandboxError, match="got a closed one"):
        session.run("1")
