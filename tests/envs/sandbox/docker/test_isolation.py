"""What code in a container can reach of its server, and of the executions before it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reachgym.envs.sandbox import seccomp_filter
from reachgym.envs.sandbox.docker.sandbox import DockerSandbox
from reachgym.envs.sandbox.docker.seccomp_profile import seccomp_profile
from reachgym.envs.sandbox.protocol import Outcome, SandboxLimits

TRY = """
import os, resource, signal
def attempt(name, action, *arguments):
    try: value = action(*arguments)
    except OSError as error: print(name, 'REFUSED', error.errno)
    else: print(name, 'DONE', repr(value)[:99])
"""

PRIORITIES = """
attempt('priority', os.setpriority, os.PRIO_PROCESS, 1, 19)
attempt('policy', os.sched_setscheduler, 1, os.SCHED_IDLE, os.sched_param(0))
"""


@pytest.fixture
def contained(runtime: str) -> Iterator[DockerSandbox]:
    with DockerSandbox(SandboxLimits(wall_s=20), runtime=runtime) as sandbox:
        yield sandbox


def test_the_server_is_out_of_reach_of_the_code(contained: DockerSandbox) -> None:
    # gVisor lets anyone set priorities, and schedules nothing by them.
    policies = "" if contained.level == "docker-gvisor" else PRIORITIES
    result = contained.exec(
        TRY + "for n in (0, *signal.Signals): attempt(f'signal {n}', os.kill, 1, n)\n"
        "attempt('limit', resource.prlimit, 1, resource.RLIMIT_NOFILE, (3, 3))\n"
        + policies
        + "attempt('memory', open, '/proc/1/mem', 'rb')\n"
        "attempt('program', os.readlink, '/proc/1/exe')\n"
        "attempt('root', os.listdir, '/proc/1/root')\n"
        "for n in range(32):\n"
        "    for how in (os.O_RDONLY, os.O_WRONLY):\n"
        "        attempt(f'stream {n}', os.open, f'/proc/1/fd/{n}', how | os.O_NONBLOCK)\n"
    )
    assert result.exit_code == 0, result
    assert result.stdout.count("REFUSED") >= 70
    assert "DONE" not in result.stdout
    assert contained.exec("print(1)").stdout == "1\n"


def test_the_server_may_become_another_user_and_kill_and_nothing_else(runtime: str) -> None:
    code = (
        "lines = open('/proc/1/status').read().splitlines()\n"
        "about = dict(line.split(':', 1) for line in lines)\n"
        "print(about['Uid'].split(), about['Gid'].split(), about['Groups'].split())\n"
        "print([about[name].strip() for name in ('CapPrm', 'CapEff', 'CapBnd', 'CapInh')])\n"
    )
    with DockerSandbox(runtime=runtime) as sandbox:
        users, capabilities = sandbox.exec(code).stdout.splitlines()
    assert users == f"{['65533'] * 4} {['65533'] * 4} []"
    # KILL, SETGID and SETUID.
    assert capabilities == f"{['00000000000000e0'] * 2 + ['0000000000000000'] * 2}"


@pytest.mark.parametrize(
    "leave",
    [
        "for n in range(300): open(f'{n}', 'w').close()",
        "os.mkdir('a'); os.mkdir('a/b'); open('a/b/c', 'w'); os.chmod('a/b', 0); os.chmod('a', 0)",
        "for n in range(1500): os.mkdir('d' * 200); os.chdir('d' * 200)",
        "os.symlink('/usr', 'a'); os.symlink('.', 'b'); os.mkfifo('c'); os.link('c', 'd')",
        "open('/dev/shm/a', 'w').write('x'); os.mkdir('/dev/shm/b')",
        "open('a', 'wb').write(bytes(2**26))",
        "os.setxattr('/tmp', 'user.leak', b'x')",
        "os.utime('/tmp', (1, 1)); os.chmod('/tmp', 0)",
    ],
    ids=["many", "shut", "deep", "links", "shared", "large", "attribute", "folder"],
)
def test_nothing_of_an_execution_is_there_for_the_next(
    contained: DockerSandbox, leave: str
) -> None:
    look = (
        "import os, stat\n"
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    about = os.stat(folder)\n"
        "    try: attributes = os.listxattr(folder)\n"
        "    except OSError: attributes = None\n"
        "    free = os.statvfs(folder)\n"
        "    print(os.listdir(folder), stat.filemode(about.st_mode), about.st_uid, attributes)\n"
        "    print(about.st_mtime > 10**9, free.f_bfree, free.f_ffree)\n"
    )
    before = contained.exec(look)
    assert before.exit_code == 0
    contained.exec(f"import os\ntry: {leave}\nexcept OSError: pass")
    assert contained.exec(look) == before or contained.exec(look).stdout == before.stdout


def test_not_even_a_crowd_of_orphans_outlives_its_execution(contained: DockerSandbox) -> None:
    crowd = (
        "import os, time\n"
        "for _ in range(12):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork(): os._exit(0)\n"
        "        while True:\n"
        "            try: os.fork() or time.sleep(0.01)\n"
        "            except OSError: pass\n"
        "time.sleep(0.1); print('left')"
    )
    for _ in range(3):
        assert contained.exec(crowd).outcome in (Outcome.EXITED, Outcome.KILLED)
        look = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')))"
        assert contained.exec(look).stdout == "2\n"


def test_the_smallest_process_limit_gives_a_container(runtime: str) -> None:
    with DockerSandbox(SandboxLimits(processes=1), runtime=runtime) as sandbox:
        assert sandbox.exec("print(1)").stdout == "1\n"


def test_the_engines_profile_names_no_call_that_the_common_filter_refuses() -> None:
    profile = json.loads(seccomp_profile())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {
        name
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }
    refused = seccomp_filter.REFUSED.split() + seccomp_filter.REFUSED_MEMORY.split()
    assert not allowed & {*refused, "clone3"}
    bare = {name for rule in profile["syscalls"] if not rule["args"] for name in rule["names"]}
    assert not bare & {"clone", "socket", "socketpair", "personality"}
