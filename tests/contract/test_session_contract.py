"""What sessions of every sandbox level must hold: what they remember, what ends them, branches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox.protocol import Outcome, Sandbox, SandboxLimits, Session

LIMITS = SandboxLimits(wall_s=1.0, memory_bytes=128 * 2**20, output_bytes=1000)
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


@pytest.fixture(scope="module")
def sandbox(open_sandbox: Callable[[SandboxLimits], Sandbox]) -> Iterator[Sandbox]:
    with open_sandbox(LIMITS) as opened:
        yield opened


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.open_session() as opened:
        yield opened


def test_names_live_from_call_to_call(session: Session) -> None:
    assert session.run("x = 20").stdout == ""
    assert session.run("x + 1").stdout == "21\n"


def test_an_exception_is_told_as_a_repl_tells_it_and_leaves_the_names(
    session: Session,
) -> None:
    session.run("x = 1")
    failed = session.run("x / 0")
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[1:] == [
        '  File "<cell>", line 1, in <module>',
        "ZeroDivisionError: division by zero",
    ]
    assert session.run("x").stdout == "1\n"


def test_a_cell_that_forks_goes_on_as_one(session: Session) -> None:
    session.run("import os\nx = 1")
    forked = session.run("if os.fork() == 0: x = 2\nelse: os.wait()\nprint(x)")
    assert sorted(forked.stdout.split()) == ["1", "2"]
    assert [session.run("x").stdout for _ in range(3)] == ["1\n"] * 3


def test_a_session_whose_processes_are_all_taken_still_answers(session: Session) -> None:
    session.shell("while true; do sleep 60 & done >/dev/null 2>&1")
    assert session.run("1").outcome in (Outcome.EXITED, Outcome.KILLED)
    assert session.shell("sleep 0").outcome in (Outcome.EXITED, Outcome.KILLED)


def test_leaving_a_cell_does_not_leave_the_session(session: Session) -> None:
    session.run("x = 1")
    assert session.run("import sys; sys.exit(3)").exit_code == 3
    assert session.run("x").stdout == "1\n"


def test_a_cell_and_a_shell_share_the_working_directory(session: Session) -> None:
    session.run("open('a.txt', 'w').write('one')")
    assert session.shell("cat a.txt; echo two > b.txt").stdout == "one"
    assert session.run("open('b.txt').read()").stdout == "'two\\n'\n"


def test_what_a_shell_reports_is_its_own(session: Session) -> None:
    failed = session.shell("echo no >&2; exit 4")
    assert (failed.outcome, failed.exit_code) == (Outcome.EXITED, 4)
    assert failed.stderr == "no\n"


def test_files_go_in_and_out_unchanged(session: Session) -> None:
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
        ("pass", "../" * 9 + "usr/bin/python3", "leads out of"),
    ],
)
def test_only_regular_files_of_the_working_directory_come_out(
    session: Session, made_by: str, path: str, why: str
) -> None:
    session.run(made_by)
    with pytest.raises(InputError, match=why):
        session.read(path)


def test_files_that_do_not_belong_inside_do_not_go_in(session: Session) -> None:
    with pytest.raises(InputError, match="inside the working directory"):
        session.write({"../out": b""})
    with pytest.raises(InputError, match="at most"):
        session.write({"large": bytes(LIMITS.file_bytes + 1)})
    with pytest.raises(InputError, match="cannot be written"):
        session.write({"a": b"", "a/b": b""})


def test_a_cell_past_its_deadline_is_interrupted_and_the_names_stay(
    session: Session,
) -> None:
    session.run("x = 1")
    late = session.run("while True: pass")
    assert late.outcome is Outcome.TIMEOUT
    assert late.stderr.endswith("KeyboardInterrupt\n")
    assert session.run("x").stdout == "1\n"


def test_a_cell_that_will_not_stop_is_killed_and_the_files_stay(
    session: Session,
) -> None:
    session.write({"kept": b"yes"})
    session.run("x = 1")
    assert session.run(STUBBORN).outcome is Outcome.TIMEOUT
    assert "NameError" in session.run("x").stderr
    assert session.read("kept") == b"yes"


def test_a_shell_past_its_deadline_is_killed(session: Session) -> None:
    assert session.shell("sleep 30").outcome is Outcome.TIMEOUT
    assert session.shell("echo on").stdout == "on\n"


def test_a_repl_that_dies_is_replaced(session: Session) -> None:
    died = session.run("import os; os.kill(os.getpid(), 9)")
    assert (died.outcome, died.exit_code) == (Outcome.KILLED, -9)
    assert session.run("1").stdout == "1\n"


def test_too_much_memory_ends_the_cell_and_not_the_session(session: Session) -> None:
    ended = session.run("x = [bytearray(2**20) for _ in range(2000)]")
    assert ended.outcome is Outcome.KILLED or "MemoryError" in ended.stderr
    assert session.run("1").stdout == "1\n"


def test_the_middle_of_long_output_is_cut_and_said_so(session: Session) -> None:
    long = session.run("print('a' * 5000 + 'b' * 5000)")
    assert long.truncated
    assert long.stdout == "a" * 500 + "\n[9001 bytes cut]\n" + "b" * 499 + "\n"


def test_a_branch_has_names_and_files_of_its_own(session: Session) -> None:
    session.run("x = [1]")
    session.write({"f": b"1"})
    with session.branch() as branch:
        branch.run("x.append(2); open('f', 'w').write('2')")
        assert branch.run("x").stdout == "[1, 2]\n"
        assert (branch.read("f"), session.read("f")) == (b"2", b"1")
    assert session.run("x").stdout == "[1]\n"


def test_what_was_cut_short_cannot_be_branched(session: Session) -> None:
    session.run("while True: pass")
    with pytest.raises(SandboxError, match="interrupted or killed half-way"):
        session.branch()


def test_sessions_see_neither_one_another_nor_executions(
    sandbox: Sandbox, session: Session
) -> None:
    session.write({"mine": b""})
    with sandbox.open_session() as other:
        assert other.shell("ls").stdout == ""
        assert other.run("import os; os.kill(-1, 15)").outcome is not Outcome.TIMEOUT
    assert sandbox.exec("import os; print(os.listdir())").stdout == "[]\n"
    assert session.shell("ls").stdout == "mine\n"


def test_what_a_closed_session_is_asked_it_refuses(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    session.close()
    session.close()
    with pytest.raises(SandboxError, match="got a closed one"):
        session.run("1")


def test_a_closed_sandbox_leaves_its_sessions_open(
    open_sandbox: Callable[[SandboxLimits], Sandbox],
) -> None:
    sandbox = open_sandbox(LIMITS)
    with sandbox.open_session() as session:
        sandbox.close()
        assert session.run("1").stdout == "1\n"


def test_memory_that_all_processes_take_together_is_bounded_also_between_calls(
    session: Session,
) -> None:
    hog = "import time\nx = bytearray(b'x') * (40 * 2**20)\ntime.sleep(60)\n"
    session.write({"hog.py": hog.encode()})
    session.shell("for n in 1 2 3 4 5 6; do python3 hog.py >out.$n 2>&1 & done")
    survivors = (
        "ps=0; for p in /proc/[0-9]*; do grep -q hog.py $p/cmdline && ps=$((ps+1)); done; echo $ps"
    )
    time.sleep(2)
    counted = session.shell(survivors)
    # Whether the hogs alone are gone or the session with them depends on who counts the memory.
    if counted.outcome is Outcome.EXITED:
        assert int(counted.stdout) * 40 <= 128 + 40
    else:
        assert "names and files are gone" in counted.stderr
    assert session.run("2").stdout == "2\n"
