"""Attacks through files: the host's, those handed in and out, setuid binaries, locks."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reachgym.envs.errors import InputError
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, Sandbox, SandboxLimits, Session

Attack = Callable[..., ExecResult]


def test_read_host_files(attack: Attack, secret_file: Path, secret: str) -> None:
    shadow = Path("/etc/shadow")
    lines = shadow.read_text().split() if os.access(shadow, os.R_OK) else []
    paths = [str(secret_file), __file__, str(shadow), "/proc/self/environ", "/proc/cmdline"]
    code = (
        "import glob\n"
        f"for path in {paths}:\n"
        "    for way in ('', '/proc/1/root', '/proc/self/root/..', '/proc/self/cwd/../../../..',\n"
        "            '/../../..', '/dev/fd/../../..', '/dev/shm/../..', *glob.glob('/mnt/*')):\n"
        "        try: print(open(way + path).read()[:300])\n"
        "        except OSError: print('REFUSED')\n"
        "    os.path.lexists('link') and os.unlink('link')\n"
        "    os.symlink(path, 'link')\n"
        "    try: print(open('link').read()[:300])\n"
        "    except OSError: print('REFUSED')\n"
    )
    result = attack(code)
    assert result.stdout.count("REFUSED") >= 20, result
    assert secret not in result.stdout
    assert "Attacks through files" not in result.stdout
    assert not any(line in result.stdout for line in lines)


def test_write_outside(attack: Attack, secret_file: Path) -> None:
    folders = ["/", "/usr", "/usr/bin", "/usr/lib", "/etc", "/dev", "/sys", "/proc/sys/kernel"]
    folders += ["/root", "/home", "/var", "/var/tmp", "/opt", "/run", "/srv", "/mnt"]
    folders += [str(secret_file.parent), str(Path(__file__).parent), os.getcwd()]
    name = f"battery-{os.getpid()}"
    code = (
        f"folders = [*{folders}, os.path.dirname(os.__file__), os.path.dirname(sys.executable)]\n"
        "for folder in folders:\n"
        f"    for make in (lambda p: open(p, 'w'), os.mkdir, lambda p: os.symlink('x', p)):\n"
        f"        try: make(f'{{folder}}/{name}')\n"
        "        except OSError: print('REFUSED')\n"
    )
    assert attack(code).stdout.count("REFUSED") >= 30
    look = f"import glob; print(glob.glob('/{name}') + glob.glob('/*/{name}'), '{name}')"
    assert attack(look).stdout == f"[] {name}\n"
    assert not any(map(os.path.exists, (f"{folder}/{name}" for folder in folders)))


def test_change_what_is_outside(attack: Attack, refuses: Attack, secret_file: Path) -> None:
    before = os.stat(secret_file)
    library = hashlib.sha256(Path(os.__file__).read_bytes()).digest()
    path = f"path = {str(secret_file)!r}\n"
    refuses(
        path + "for file in (path, os.__file__, '/proc/self/exe', os.path.realpath('/bin/sh')):\n"
        "    attempt('append', open, file, 'a')\n"
        "    attempt('truncate', os.truncate, file, 10**6)\n"
        "attempt('rename', os.rename, path, path + '2')\n"
        "attempt('link', os.link, path, 'mine')\n"
        "attempt('unlink', os.unlink, path)\n"
        "attempt('fetch', os.rename, path, 'mine')\n"
    )
    # A level may pretend that these succeeded.
    for change in ("chmod(path, 0)", "utime(path, (1, 1))", "setxattr(path, 'user.x', b'x')"):
        attack(path + f"os.{change}")
    after = os.stat(secret_file)
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert os.listxattr(secret_file) == []
    assert hashlib.sha256(Path(os.__file__).read_bytes()).digest() == library


def test_devices(refuses: Attack) -> None:
    refuses(
        "import stat\n"
        "for kind in (stat.S_IFCHR, stat.S_IFBLK):\n"
        "    for number in (os.makedev(1, 1), os.makedev(8, 0), os.makedev(10, 200)):\n"
        "        attempt('mknod', os.mknod, f'{kind}-{number}', kind | 0o666, number)\n"
        "for name in ('mem', 'kmem', 'kmsg', 'port', 'sda', 'vda', 'loop0', 'loop-control',\n"
        "        'kvm', 'fuse', 'net/tun', 'userfaultfd', 'vsock', 'vhost-net', 'uinput', 'cuse',\n"
        "        'mapper/control', 'btrfs-control', 'snd/timer', 'input/mice', 'dri/card0',\n"
        "        'dma_heap/system', 'cpu/0/msr', 'hpet', 'ttyS0', 'tty0', 'rtc0'):\n"
        "    attempt(name, open, f'/dev/{name}', 'rb')\n"
    )


def test_setuid_binaries(
    open_sandbox: Callable[[SandboxLimits], Sandbox], armed: Callable[[str], str]
) -> None:
    code = (
        "import stat, subprocess\n"
        "print('no new privileges', libc.prctl(39, 0, 0, 0, 0))\n"
        "with open('own', 'wb') as file: file.write(open(sys.executable, 'rb').read())\n"
        "os.chmod('own', 0o6755)\n"
        "found = ['own']\n"
        "for folder in ('/usr', '/bin', '/sbin', '/opt', '/lib'):\n"
        "    for where, _, names in os.walk(folder):\n"
        "        for name in names:\n"
        "            path = os.path.join(where, name)\n"
        "            if os.lstat(path).st_mode & 0o6000: found.append(path)\n"
        "for path in found:\n"
        "    try: process = subprocess.Popen([path, '-c', 'import time; time.sleep(0.2)'],\n"
        "        stdin=-3, stdout=-3, stderr=-3)\n"
        "    except OSError: continue\n"
        "    time.sleep(0.05)\n"
        "    try: status = open(f'/proc/{process.pid}/status').read()\n"
        "    except OSError: continue\n"
        "    if any(line.startswith('Uid:') and '\\t0' in line for line in status.splitlines()):\n"
        "        print('ROOT', path)\n"
    )
    with open_sandbox(SandboxLimits(wall_s=60)) as patient:
        result = patient.exec(armed(code))
    assert (result.stdout, result.exit_code) == ("no new privileges 1\n", 0), result


def test_file_locks(attack: Attack, eventually: Callable[[Callable[[], bool]], bool]) -> None:
    # Somebody else's test may hold them for a moment.
    take = (
        "import fcntl\n"
        "held = [os.open(path, os.O_RDONLY) for path in (os.__file__, '/dev/null', '.')]\n"
        "for fd in held:\n"
        "    try: fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "    except OSError as error: assert error.errno == errno.ENOLCK\n"
        "print('held', flush=True)\n"
    )
    result = attack(take + "if os.fork() == 0: libc.setsid()\ntime.sleep(60)")
    assert (result.outcome, result.stdout) == (Outcome.TIMEOUT, "held\n"), result
    assert attack(take).stdout == "held\n"

    def takes_it() -> bool:
        with open(os.__file__) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    assert eventually(takes_it)


def test_files_that_resist_removal(attack: Attack) -> None:
    """The aftermath's look at the folders is the test."""
    result = attack(
        "os.mkdir('shut'); open('shut/in', 'w').close(); os.chmod('shut', 0)\n"
        "open(b'\\xff\\n-rf', 'w').close(); os.mkfifo('pipe'); os.symlink('/', 'root')\n"
        "for _ in range(2000): os.mkdir('d' * 200); os.chdir('d' * 200)\n"
        "print('made')"
    )
    assert result.stdout == "made\n", result


# Files in and out.


@pytest.mark.parametrize(
    "name", ["../x", "/var/tmp/x", "a/../../x", "..", ".", "", "/", "a\0b", "a/..", "./../x"]
)
def test_path_traversal_on_file_put(attack: Attack, name: str) -> None:
    with pytest.raises(InputError):
        attack("print(1)", files={name: b"planted"})


@pytest.mark.parametrize(
    "name", ["../x", "/var/tmp/x", "a/../../x", "..", ".", "", "/", "a\0b", "a/..", "./../x"]
)
def test_path_traversal_on_file_put_in_a_session(
    attack: Attack, session: Session, name: str
) -> None:
    with pytest.raises(InputError):
        session.write({name: b"planted"})
    assert session.run("print(1)").stdout == "1\n"


@pytest.mark.parametrize(
    "files",
    [
        {"n" * 300: b""},
        {"/".join(["n" * 200] * 30): b""},
        {"a": b"", "a/b": b""},
        {"\ud800": b""},
        {str(number): b"x" for number in range(5000)},
    ],
    ids=["long name", "long path", "file and folder", "surrogate", "many"],
)
def test_files_that_cannot_be_put_are_no_failure_of_the_sandbox(
    attack: Attack, files: dict[str, bytes]
) -> None:
    with pytest.raises(InputError):
        attack("print(1)", files=files)


def test_put_through_a_planted_symlink(attack: Attack, session: Session, secret_file: Path) -> None:
    session.run(
        f"import os; os.symlink({str(secret_file.parent)!r}, 'folder');"
        f"os.symlink({str(secret_file)!r}, 'file'); os.symlink('/tmp/..', 'up')"
    )
    for name in ("folder/planted", "folder/secret.txt", "file", "up/planted"):
        try:
            session.write({name: b"planted"})
        except InputError:
            continue
    assert not Path("/planted").exists()


def test_symlink_out_of_the_work_dir_on_file_get(
    attack: Attack, session: Session, secret_file: Path
) -> None:
    session.run(
        f"import os; os.symlink({str(secret_file)!r}, 'file'); os.symlink('/etc/passwd', 'etc');"
        f"os.symlink({str(secret_file.parent)!r}, 'folder'); os.symlink('loop', 'loop')"
    )
    outside = ["file", "etc", "folder/secret.txt", "loop", "../etc/passwd", str(secret_file)]
    for name in (*outside, "/etc/passwd", "folder/../folder/secret.txt", "", ".", "a\0b", "none"):
        with pytest.raises(InputError):
            session.read(name)


def test_symlink_swapped_in_during_file_get(
    attack: Attack, session: Session, secret_file: Path, secret: str
) -> None:
    started = session.run(
        "import os, time\n"
        "os.mkdir('real'); open('real/secret.txt', 'w').write('own')\n"
        f"os.symlink({str(secret_file.parent)!r}, 'link')\n"
        "if os.fork() == 0:\n"
        "    end = time.monotonic() + 1.2\n"
        "    while time.monotonic() < end:\n"
        "        os.rename('real', 'it'); os.rename('it', 'real')\n"
        "        os.rename('link', 'it'); os.rename('it', 'link')\n"
        "    os._exit(0)\n"
        "print('started')"
    )
    assert "started" in started.stdout
    deadline_s = time.monotonic() + 1
    while time.monotonic() < deadline_s:
        try:
            content = session.read("it/secret.txt")
        except InputError:
            continue
        assert content == b"own"


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "device", "endless", "shut"])
def test_fifo_or_device_in_the_output_dir(attack: Attack, session: Session, kind: str) -> None:
    make = {
        "fifo": "os.mkfifo('it')",
        "socket": "import socket; socket.socket(socket.AF_UNIX).bind('it')",
        "folder": "os.mkdir('it')",
        "device": "os.mknod('it', 0o20666, os.makedev(1, 5))",
        "endless": "os.symlink('/dev/zero', 'it')",
        "shut": "os.symlink('/proc/self/fd/0', 'it')",
    }
    session.run(f"import os\n{make[kind]}")
    started_s = time.monotonic()
    with pytest.raises(InputError):
        session.read("it")
    assert time.monotonic() - started_s < 5
    assert session.run("print(1)").stdout == "1\n"


def test_a_file_that_grows_while_it_is_read(
    attack: Attack, session: Session, limits: SandboxLimits
) -> None:
    session.run(
        "import os\n"
        "if os.fork() == 0:\n"
        "    with open('it', 'wb', 0) as file:\n"
        "        try:\n"
        "            while True: file.write(bytes(2**16))\n"
        "        except OSError: os._exit(0)\n"
    )
    time.sleep(0.2)
    assert len(session.read("it")) <= limits.file_bytes
