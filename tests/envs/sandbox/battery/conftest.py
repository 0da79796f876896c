"""The battery's levels, and how an attack on one of them is made and its aftermath looked at."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import ExecResult, Sandbox, SandboxLimits, Session

LIMITS = SandboxLimits(
    wall_s=1.5, memory_bytes=96 * 2**20, output_bytes=2**16, processes=24, file_bytes=4 * 2**20
)
SECRET = "-".join(("a", "secret", "of", "the", "host"))
NOBODY = 65534
_SETTLED_S = 10.0
_SERIAL = itertools.count()

PRELUDE, VIEW, OWNER = (
    Path(__file__).with_name("inside").joinpath(name).read_text()
    for name in ("prelude.py", "view.py", "owner.py")
)
MORE_IMPORTS = "import signal, socket, struct, sys, time\n"


@dataclass(frozen=True)
class Attacker:
    """Runs attacks in one sandbox, in processes that the host can recognise.

    Attributes:
        sandbox: Where they run.
        mark: The name of the attack's processes, as the host sees it.
    """

    sandbox: Sandbox
    mark: bytes

    def __call__(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        """Run `code` after the prelude."""
        return self.sandbox.exec(self.armed(code), files=files)

    def armed(self, code: str) -> str:
        """`code` with the prelude before it."""
        return f"{PRELUDE}\n{MORE_IMPORTS}name_process({self.mark!r})\n{code}"

    def is_refused(self, code: str) -> ExecResult:
        """Run attempts, all of which have to be well-formed and to fail."""
        result = self(code)
        lines = result.stdout.splitlines()
        assert lines, result
        assert not result.truncated
        for line in lines:
            assert " REFUSED " in line, result
            assert not line.endswith("EFAULT"), f"no attack at all: {result}"
        assert result.exit_code == 0, result
        return result

    def living(self) -> list[int]:
        """Processes of the attacks on this machine, zombies included."""
        return [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/comm")
            if _read(path).rstrip(b"\n") == self.mark
        ]


@dataclass(frozen=True)
class Host:
    """What attacks must not reach.

    Attributes:
        folder: Anyone may list it and write into it.
        secret_file: Anyone may read and write it; it holds the secret.
        bystanders: Processes, one by each user that a sandbox may run as.
    """

    folder: Path
    secret_file: Path
    bystanders: tuple[subprocess.Popen[bytes], ...]

    def is_unharmed(self) -> bool:
        """Whether nothing was killed, stopped, created or changed."""
        states = [_read(Path(f"/proc/{b.pid}/stat")).rsplit(b") ")[-1] for b in self.bystanders]
        return (
            all(state.startswith(b"S") for state in states)
            and list(self.folder.iterdir()) == [self.secret_file]
            and self.secret_file.read_text() == SECRET
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def make(level: Level, limits: SandboxLimits) -> Sandbox:
    """A sandbox of the level; skips where there is none."""
    try:
        return open_level(level, limits)
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox of level {level}: {error}")


@pytest.fixture(scope="session", autouse=True)
def _namespaces() -> None:
    """The folder above is about one level; here each says for itself whether it is given."""


@pytest.fixture(scope="session", params=Level)
def level(request: pytest.FixtureRequest) -> Level:
    # Tests are ordered by this, so that each level is tried once.
    make(request.param, LIMITS).close()
    return request.param


@pytest.fixture(scope="session")
def open_sandbox(level: Level) -> Callable[[SandboxLimits], Sandbox]:
    return functools.partial(make, level)


@pytest.fixture(scope="session")
def limits() -> SandboxLimits:
    return LIMITS


@pytest.fixture(scope="session")
def secret() -> str:
    os.environ["REACHGYM_BATTERY_SECRET"] = SECRET
    return SECRET


@pytest.fixture(scope="session")
def host(secret: str) -> Iterator[Host]:
    # The sandbox's user could not get to pytest's own temporary folders even without a sandbox.
    with tempfile.TemporaryDirectory(prefix="battery-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        file = folder / "secret.txt"
        file.write_text(secret)
        file.chmod(0o666)
        users = {os.getuid(), NOBODY} if os.getuid() == 0 else {os.getuid()}
        bystanders = tuple(
            subprocess.Popen(["sleep", "100000"], user=user, start_new_session=True, cwd="/")
            for user in sorted(users)
        )
        yield Host(folder, file, bystanders)
        for bystander in bystanders:
            bystander.kill()
            bystander.wait()


@pytest.fixture(scope="module")
def sandbox(
    open_sandbox: Callable[[SandboxLimits], Sandbox], limits: SandboxLimits, secret: str
) -> Iterator[Sandbox]:
    with open_sandbox(limits) as opened:
        yield opened


@pytest.fixture(scope="module")
def usual_view(sandbox: Sandbox) -> str:
    """What an execution sees that comes after none."""
    result = sandbox.exec(VIEW)
    assert result.exit_code == 0, result
    return result.stdout


@pytest.fixture
def attacker(sandbox: Sandbox, host: Host, usual_view: str) -> Iterator[Attacker]:
    """Attacks the sandbox; afterwards all must be as if it had not."""
    attacker = Attacker(sandbox, f"rg{os.getpid()}-{next(_SERIAL)}".encode()[:15])
    yield attacker
    assert settles(lambda: not attacker.living()), "processes of the attack are left"
    if not settles(lambda: sandbox.exec(VIEW).stdout == usual_view):
        seen = set(sandbox.exec(VIEW).stdout.splitlines()) - set(usual_view.splitlines())
        raise AssertionError(f"the next execution sees something of the attack: {seen}")
    assert host.is_unharmed()


@pytest.fixture
def attack(attacker: Attacker) -> Callable[..., ExecResult]:
    """Runs an attack, and lets the test go on with its result."""
    return attacker


@pytest.fixture
def refuses(attacker: Attacker) -> Callable[[str], ExecResult]:
    """Whether all of some well-formed attempts are refused."""
    return attacker.is_refused


def settles(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes to hold within some seconds."""
    deadline_s = time.monotonic() + _SETTLED_S
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], bool]], bool]:
    return settles


@pytest.fixture
def armed(attacker: Attacker) -> Callable[[str], str]:
    """Puts what attacks use before some code."""
    return attacker.armed


@pytest.fixture
def living(attacker: Attacker) -> Callable[[], list[int]]:
    """Processes of the attack, as the host sees them; gVisor's it cannot see."""
    return attacker.living


@pytest.fixture
def secret_file(host: Host) -> Path:
    """A file of the host that anyone may read and write."""
    return host.secret_file


@pytest.fixture
def bystanders(host: Host) -> list[int]:
    """Processes of the host, of its own user and of the one that sandboxes run as."""
    return [bystander.pid for bystander in host.bystanders]


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.open_session() as opened:
        yield opened


@pytest.fixture
def start_owner(
    level: Level, limits: SandboxLimits, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that runs code in a sandbox of its own and prints the output."""
    started = []

    def start(code: str, stdin: int = subprocess.DEVNULL, before: str = "") -> object:
        script = f"{before}\n{OWNER}\nrun({str(level)!r}, {asdict(limits)}, {code!r})"
        owner = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=stdin,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        started.append(owner)
        assert owner.stdout is not None
        assert owner.stdout.readline() == "started\n"
        return owner

    yield start
    for owner in started:
        owner.kill()
        owner.communicate()
