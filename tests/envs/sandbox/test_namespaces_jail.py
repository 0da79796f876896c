"""What code sees and may do in the jail of the namespaces level, exactly."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import Outcome, Sandbox, SandboxLimits

SECRET = "a-secret-of-the-supervisor"
os.environ["REACHGYM_TEST_SECRET"] = SECRET


@pytest.fixture(scope="module")
def roomy() -> Iterator[Sandbox]:
    with NamespacesSandbox(SandboxLimits(wall_s=20.0)) as sandbox:
        yield sandbox


def attempt(statement: str) -> str:
    """Code that tells how one forbidden statement ended."""
    return (
        "import ctypes, os, signal, socket, struct, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def call(number, *words):\n"
        "    result = libc.syscall(number, *map(ctypes.c_long, words))\n"
        "    if result < 0: raise OSError(ctypes.get_errno(), 'refused')\n"
        f"try:\n    print('done', {statement})\n"
        "except OSError as error:\n    print('refused', error.errno)\n"
    )


def outcome_of(sandbox: Sandbox, statement: str) -> str:
    result = sandbox.exec(attempt(statement))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), result
    return result.stdout


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/etc/passwd", "/root", "/home", "/proc/1/environ", "/proc/self/mem", "/sys"],
)
def test_host_paths_are_out_of_reach(roomy: Sandbox, path: str) -> None:
    assert outcome_of(roomy, f"open({path!r}).read() or os.listdir({path!r})") == "refused 2\n"


def test_the_repository_and_installed_packages_are_out_of_reach(roomy: Sandbox) -> None:
    for path in (Path(__file__).resolve(), Path(pytest.__file__).parent, Path.cwd()):
        assert outcome_of(roomy, f"os.stat({str(path)!r})") == "refused 2\n"
    assert "ModuleNotFoundError" in roomy.exec("import numpy").stderr


def test_nothing_but_the_interpreter_is_in_the_root(roomy: Sandbox) -> None:
    assert roomy.exec("import os; print(sorted(os.listdir('/')))").stdout == (
        "['dev', 'lib', 'lib64', 'tmp', 'usr']\n"
    )


def test_no_binary_is_setuid(roomy: Sandbox) -> None:
    code = (
        "import os\n"
        "for folder, _, names in os.walk('/'):\n"
        "    for name in names:\n"
        "        if os.lstat(os.path.join(folder, name)).st_mode & 0o6000: print(name)\n"
    )
    assert roomy.exec(code).stdout == ""


def test_secrets_of_the_supervisor_are_out_of_sight(roomy: Sandbox) -> None:
    code = (
        "import ctypes, os, sys\n"
        "print(sorted(os.environ))\n"
        "read = ctypes.CDLL(None).getenv\n"
        "read.restype = ctypes.c_char_p\n"
        "print(read(b'REACHGYM_TEST_SECRET'), read(b'HOME'), sys.flags.hash_randomization)\n"
    )
    assert roomy.exec(code).stdout == "['HOME', 'LANG', 'PATH']\nNone b'/tmp' 0\n"


def test_no_descriptor_is_inherited(roomy: Sandbox) -> None:
    held = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        code = (
            "import os\n"
            "def is_open(fd):\n"
            "    try: os.fstat(fd)\n"
            "    except OSError: return False\n"
            "    return True\n"
            "print([fd for fd in range(256) if is_open(fd)])"
        )
        assert roomy.exec(code).stdout == "[0, 1, 2]\n"
    finally:
        os.close(held)


def test_standard_input_is_empty(roomy: Sandbox) -> None:
    assert roomy.exec("input()").stderr.endswith("EOFError: EOF when reading a line\n")


def test_code_is_an_unprivileged_user_without_capabilities(roomy: Sandbox) -> None:
    code = (
        "import ctypes, os\n"
        "data = (ctypes.c_uint32 * 6)()\n"
        "ctypes.CDLL(None).capget((ctypes.c_uint32 * 2)(0x20080522, 0), data)\n"
        "bounding = [ctypes.CDLL(None).prctl(23, n, 0, 0, 0) for n in range(41)]\n"
        "print(os.getuid() > 0, os.getgid() > 0, list(data), any(bounding))"
    )
    assert roomy.exec(code).stdout == "True True [0, 0, 0, 0, 0, 0] False\n"


def test_the_host_name_is_hidden(roomy: Sandbox) -> None:
    name = roomy.exec("import os; print(os.uname().nodename)").stdout.strip()
    assert name == "sandbox"


def test_a_listener_on_the_host_loopback_is_out_of_reach(roomy: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        statement = f"socket.create_connection(('127.0.0.1', {port}), timeout=2)"
        assert outcome_of(roomy, statement).startswith("refused")


def test_an_abstract_unix_socket_of_the_host_is_out_of_reach(roomy: Sandbox) -> None:
    name = f"\0reachgym-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        statement = f"socket.socket(socket.AF_UNIX).connect({name!r})"
        assert outcome_of(roomy, statement) == "refused 111\n"


def test_names_are_not_resolved(roomy: Sandbox) -> None:
    assert outcome_of(roomy, "socket.getaddrinfo('host.invalid', 80)").startswith("refused -")


def test_there_is_no_network_interface_but_a_dead_loopback(roomy: Sandbox) -> None:
    assert roomy.exec("import socket; print(socket.if_nameindex())").stdout in (
        "",
        "[(1, 'lo')]\n",
    )
    assert outcome_of(roomy, "socket.create_connection(('127.0.0.1', 9))").startswith("refused")


@pytest.mark.parametrize(
    "family", ["AF_VSOCK", "AF_NETLINK", "AF_PACKET", "AF_ALG", "AF_BLUETOOTH"]
)
def test_other_socket_families_are_refused(roomy: Sandbox, family: str) -> None:
    number = int({"AF_BLUETOOTH": 31}.get(family) or getattr(socket, family))
    assert outcome_of(roomy, f"socket.socket({number}, socket.SOCK_DGRAM)") == "refused 97\n"


@pytest.mark.parametrize(
    "path", ["/x", "/usr/lib/x", "/usr/bin/x", "/dev/x", "/usr/bin/python3", "/lib/x.so"]
)
def test_writes_outside_are_refused(roomy: Sandbox, path: str) -> None:
    assert outcome_of(roomy, f"open({path!r}, 'a')") in ("refused 30\n", "refused 13\n")


def test_the_standard_library_cannot_be_changed_for_the_next(roomy: Sandbox) -> None:
    assert outcome_of(roomy, "open(os.__file__, 'a')") in ("refused 30\n", "refused 13\n")


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("user namespace", "call(272, 0x10000000)"),
        ("mount namespace", "call(272, 0x20000)"),
        ("clone into a user namespace", "call(56, 0x10000000 | 17, 0, 0, 0, 0)"),
        ("mount", "call(165, 0, 0, 0, 0, 0)"),
        ("open_tree", "call(428, -100, 0, 0)"),
        ("chroot", "os.chroot('/tmp')"),
        ("ptrace", "call(101, 16, 1, 0, 0)"),
        ("process_vm_writev", "call(311, 1, 0, 0, 0, 0, 0)"),
        ("io_uring", "call(425, 8, 0)"),
        ("userfaultfd", "call(323, 0)"),
        ("bpf", "call(321, 0, 0, 0)"),
        ("perf", "call(298, 0, 0, -1, -1, 0)"),
        ("keyctl", "call(250, 0, -3, 0, 0, 0)"),
        ("module load", "call(313, 0, 0, 0)"),
        ("memfd", "os.memfd_create('x')"),
        ("shared memory that nobody counts", "call(29, 0, 2**20, 0o600)"),
        ("kexec", "call(246, 0, 0, 0, 0)"),
        ("host name", "socket.sethostname('x')"),
    ],
)
def test_a_dangerous_call_is_refused(roomy: Sandbox, what: str, statement: str) -> None:
    if "call(" in statement and os.uname().machine != "x86_64":
        pytest.skip("the numbers of system calls in this test are those of x86_64")
    assert outcome_of(roomy, statement) == "refused 1\n", what


def test_no_other_user_can_be_become(roomy: Sandbox) -> None:
    assert outcome_of(roomy, "os.setuid(0)").startswith("refused")


def test_limits_cannot_be_raised(roomy: Sandbox) -> None:
    result = roomy.exec("import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (9999, 9999))")
    assert "ValueError: not allowed to raise maximum limit" in result.stderr


def test_clone3_is_unknown_so_that_its_hidden_flags_need_no_reading(roomy: Sandbox) -> None:
    assert outcome_of(roomy, "call(435, 0, 0)") == "refused 38\n"


def test_pushing_characters_into_a_terminal_is_refused(roomy: Sandbox) -> None:
    assert outcome_of(roomy, "__import__('fcntl').ioctl(0, 0x5412, b'x')") == "refused 1\n"


def test_every_execution_has_process_numbers_of_its_own(roomy: Sandbox) -> None:
    roomy.exec("import os, time\nif os.fork() == 0: os.setsid(); time.sleep(60)")
    assert roomy.exec("import os; print(os.getpid())").stdout == "2\n"
