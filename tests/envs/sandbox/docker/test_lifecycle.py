"""Containers: what keeps them clean, what replaces them, and that none outlives its owner."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox.docker.engine import Engine
from reachgym.envs.sandbox.docker.owner import owner_labels, sweep
from reachgym.envs.sandbox.docker.sandbox import DockerSandbox
from reachgym.envs.sandbox.protocol import Outcome, SandboxLimits

Containers = Callable[[int], list[str]]
Processes = Callable[[str], list[int]]
Owners = Callable[..., subprocess.Popen[str]]
Eventually = Callable[[Callable[[], bool]], bool]

HUNG = (
    "sandbox.exec('import os, signal, time; os.fork() or os.setsid();"
    " signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)')"
)


def volumes(api: docker.APIClient) -> set[str]:
    return {volume["Name"] for volume in api.volumes()["Volumes"] or ()}


@pytest.mark.parametrize("then", ["sys.stdin.read()", HUNG], ids=["idle", "hung"])
def test_a_killed_owner_leaves_nothing(
    then: str,
    runtime: str,
    tmp_path: Path,
    api: docker.APIClient,
    start_owner: Owners,
    containers: Containers,
    processes: Processes,
    eventually: Eventually,
) -> None:
    before = volumes(api)
    owner = start_owner(then, tmp_path, runtime)
    time.sleep(0.5)
    found = containers(owner.pid)
    assert found
    if not processes(found[0]):
        pytest.skip("the Docker engine is on another machine")
    owner.kill()
    owner.wait()
    assert eventually(lambda: containers(owner.pid) == [])
    assert eventually(lambda: not any(map(processes, found)))
    mounts = Path("/proc/self/mountinfo").read_text()
    assert not any(container in mounts for container in found)
    assert volumes(api) <= before
    assert list(tmp_path.iterdir()) == []


def test_an_owner_killed_while_it_starts_leaves_nothing_that_the_next_does_not_remove(
    tmp_path: Path, start_owner: Owners, containers: Containers, eventually: Eventually
) -> None:
    again = "while True: sandbox.close(); print(2, flush=True); sandbox = DockerSandbox()"
    for delay_s in (0.01, 0.06, 0.12):
        owner = start_owner(again, tmp_path)
        assert owner.stdout is not None
        owner.stdout.readline()
        time.sleep(delay_s)
        owner.kill()
        owner.wait()
        DockerSandbox().close()
        assert eventually(lambda pid=owner.pid: containers(pid) == [])


@pytest.mark.parametrize("then", ["", "1/0", "sandbox.close()", "del sandbox"])
def test_an_ended_owner_leaves_nothing(
    then: str, tmp_path: Path, start_owner: Owners, containers: Containers, eventually: Eventually
) -> None:
    owner = start_owner(f"sys.stdin.readline()\n{then}", tmp_path)
    owner.communicate("\n", timeout=30)
    assert eventually(lambda: containers(owner.pid) == [])
    assert list(tmp_path.iterdir()) == []


def test_a_fork_of_a_killed_owner_does_not_keep_its_container(
    tmp_path: Path, start_owner: Owners, containers: Containers, eventually: Eventually
) -> None:
    # A container that was made and not yet started is the next owner's to sweep.
    then = (
        "import os, time\n"
        "time.sleep(1.5)\n"
        "if os.fork() == 0:\n"
        "    print(os.getpid(), flush=True); time.sleep(60); os._exit(0)\n"
        "time.sleep(60)"
    )
    owner = start_owner(then, tmp_path)
    assert owner.stdout is not None
    fork = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    try:
        assert eventually(lambda: containers(owner.pid) == [])
    finally:
        os.kill(fork, signal.SIGKILL)


def test_a_fork_of_the_owner_cannot_use_its_sandbox(sandbox: DockerSandbox) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.exec("print(1)")
        except SandboxError:
            sandbox.close()
            os._exit(17)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17
    assert sandbox.exec("print(1)").stdout == "1\n"


def test_containers_of_owners_that_are_gone_are_swept_and_others_stay(
    api: docker.APIClient, engine: Engine, image: str
) -> None:
    labels = owner_labels()
    boot_id, namespace, pid, started = labels["reachgym.owner"].split()
    owners = {
        "alive": labels["reachgym.owner"],
        "gone": f"{boot_id} {namespace} {2**22 + 1} {started}",
        "number taken over": f"{boot_id} {namespace} {pid} 1",
        "of another machine": f"another {namespace} {2**22 + 1} {started}",
        "of another namespace": f"{boot_id} pid:[1] {2**22 + 1} {started}",
    }
    made = {
        name: api.create_container(image, "x", labels=labels | {"reachgym.owner": owner})["Id"]
        for name, owner in owners.items()
    }
    sweep(engine.api)
    left = {container["Id"] for container in api.containers(all=True)}
    kept = {name for name, container in made.items() if container in left}
    for name in kept:
        api.remove_container(made[name])
    assert kept == {"alive", "of another machine", "of another namespace"}


def test_a_container_that_died_between_calls_is_replaced_by_the_one_in_reserve(
    sandbox: DockerSandbox, api: docker.APIClient, containers: Containers, eventually: Eventually
) -> None:
    (first,) = containers(os.getpid())
    sandbox.exec("print(1)")
    assert eventually(lambda: len(containers(os.getpid())) == 2)
    (reserve,) = set(containers(os.getpid())) - {first}
    api.kill(first)
    assert eventually(lambda: first not in containers(os.getpid()))
    assert sandbox.exec("print(1)").stdout == "1\n"
    assert containers(os.getpid()) == [reserve]
    sandbox.exec("print(1)")
    assert eventually(lambda: len(containers(os.getpid())) == 2)


def test_where_the_reserve_died_too_another_is_started(
    sandbox: DockerSandbox, api: docker.APIClient, containers: Containers, eventually: Eventually
) -> None:
    sandbox.exec("print(1)")
    assert eventually(lambda: len(containers(os.getpid())) == 2)
    for container in containers(os.getpid()):
        api.kill(container)
    assert sandbox.exec("print(1)").stdout == "1\n"


def test_a_container_killed_during_a_call_is_an_infrastructure_failure(
    sandbox: DockerSandbox, api: docker.APIClient, containers: Containers
) -> None:
    (first,) = containers(os.getpid())
    threading.Timer(0.3, api.kill, (first,)).start()
    with pytest.raises(SandboxError, match="ended"):
        sandbox.exec("import time; time.sleep(60)")
    assert sandbox.exec("print(1)").stdout == "1\n"


def test_a_server_that_the_kernel_kills_for_memory_is_the_codes_doing(runtime: str) -> None:
    hold = (
        "import os, time\n"
        "for n in range(10):\n"
        "    if os.fork() == 0: held = b'x' * (20 * 2**20); time.sleep(9)\n"
        "time.sleep(9)"
    )
    with DockerSandbox(SandboxLimits(wall_s=4, memory_bytes=64 * 2**20), runtime=runtime) as tight:
        result = tight.exec(hold)
        assert result.outcome in (Outcome.TIMEOUT, Outcome.KILLED)
        assert tight.exec("print(1)").stdout == "1\n"


def test_a_container_that_hangs_is_given_up_and_replaced(
    api: docker.APIClient, containers: Containers
) -> None:
    with DockerSandbox(SandboxLimits(wall_s=0.5)) as sandbox:
        (first,) = containers(os.getpid())
        # Until it has tidied up; hung before that, it would be given up with no request lost.
        time.sleep(0.5)
        api.pause(first)
        started_s = time.monotonic()
        with pytest.raises(SandboxError, match="did not end what it was told to end"):
            sandbox.exec("print(1)")
        assert time.monotonic() - started_s < 20
        assert sandbox.exec("print(1)").stdout == "1\n"
        assert first not in containers(os.getpid())


def test_an_interrupted_call_does_not_confuse_the_next(sandbox: DockerSandbox) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            sandbox.exec("import time; time.sleep(1); print('late')")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert sandbox.exec("print('next')").stdout == "next\n"


def test_threads_take_turns(sandbox: DockerSandbox) -> None:
    outputs: dict[int, str] = {}

    def use(number: int) -> None:
        outputs[number] = sandbox.exec(f"print({number})").stdout

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: f"{number}\n" for number in range(8)}


def test_no_descriptor_is_left(engine: Engine) -> None:
    def use() -> int:
        with DockerSandbox() as sandbox:
            sandbox.exec("print(1)")
            sandbox.exec("print(1)")
            with sandbox.open_session() as session:
                session.run("1")
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = use()
    assert use() <= before + 1


def test_a_container_that_cannot_be_cleaned_is_replaced(
    sandbox: DockerSandbox, containers: Containers, api: docker.APIClient
) -> None:
    """Here by a file that is another user's, which no execution can make."""
    (first,) = containers(os.getpid())
    planted = api.exec_create(first, ["sh", "-c", "echo planted > /tmp/planted"], user="1")
    api.exec_start(planted)
    assert sandbox.exec("import os; print(os.listdir())").stdout == "['planted']\n"
    assert sandbox.exec("import os; print(os.listdir())").stdout == "[]\n"
    assert first not in containers(os.getpid())


def test_too_large_files_are_told_before_anything_is_sent(sandbox: DockerSandbox) -> None:
    with pytest.raises(InputError, match="at most"):
        sandbox.exec("", files={"x": bytes(65 * 2**20)})


def test_a_background_process_that_writes_on_and_on_does_not_keep_a_call(
    sandbox: DockerSandbox,
) -> None:
    with sandbox.open_session() as session:
        for _ in range(3):
            result = session.shell("(while :; do echo flood; done) & sleep 0.1; echo last >&2")
            assert (result.outcome, result.stderr) == (Outcome.EXITED, "last\n")
            assert result.seconds < 2
        assert session.run("1 + 1").stdout == "2\n"
