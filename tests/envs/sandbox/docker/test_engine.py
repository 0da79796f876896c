"""Engines that do not serve, and images that will not do: each is told with what to do about it."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.docker.engine import Engine, connect
from reachgym.envs.sandbox.docker.image import find_image
from reachgym.envs.sandbox.docker.sandbox import DockerSandbox

INFO = {
    "OSType": "linux",
    "Architecture": "x86_64",
    "Runtimes": {"runc": {}},
    "MemoryLimit": True,
    "PidsLimit": True,
}


class FakeEngine:
    """Answers on a unix socket what an engine would, as far as it was told to, and then nothing."""

    def __init__(self, path: Path, info: dict[str, object] | None) -> None:
        self._answers: dict[str, object] = {"version": {"ApiVersion": "1.41"}}
        if info is not None:
            self._answers["info"] = info
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._silent: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for caller in self._silent:
            caller.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        while request := caller.recv(65536).decode():
            what = request.split()[1].rpartition("/")[2]
            if what not in self._answers:
                self._silent.append(caller)
                return
            body = json.dumps(self._answers[what])
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
            caller.sendall(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Lets `DOCKER_HOST` name an engine that gives this for its information, or no answer."""
    engines = []

    def start(info: dict[str, object] | None) -> None:
        path = tmp_path / "docker.sock"
        engines.append(FakeEngine(path, info))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")

    yield start
    for engine in engines:
        engine.close()


def test_no_engine_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SandboxError, match=r"none\.sock to answer, but: .*Start the engine"):
        DockerSandbox()


def test_a_socket_of_another_user_is_told_with_what_to_do(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user who may not")
    folder = Path(f"/var/tmp/docker-test-{os.getpid()}")
    folder.mkdir(mode=0o700)
    script = (
        "from reachgym.envs.errors import SandboxError\n"
        "from reachgym.envs.sandbox.docker.engine import connect\n"
        "import os\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "try: connect('runc')\n"
        "except SandboxError as error: print(error)\n"
    )
    try:
        told = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock"},
        ).stdout
    finally:
        folder.rmdir()
    assert "Permission denied" in told
    assert "Let this user use its socket" in told


def test_an_engine_that_stalls_is_an_error_and_no_hang(fake: Callable[..., None]) -> None:
    fake(None)
    started_s = time.monotonic()
    with pytest.raises(SandboxError, match="did not answer in time"):
        connect("runc", answer_s=1)
    assert time.monotonic() - started_s < 5


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"OSType": "windows"}, "for Linux containers"),
        ({"MemoryLimit": False}, "bounds memory and processes"),
        ({"PidsLimit": False}, "bounds memory and processes"),
    ],
)
def test_an_engine_that_cannot_contain_is_refused(
    fake: Callable[..., None], change: dict[str, object], why: str
) -> None:
    fake(INFO | change)
    with pytest.raises(SandboxError, match=why):
        connect("runc")


def test_an_engine_without_gvisor_gives_no_gvisor(fake: Callable[..., None]) -> None:
    fake(INFO)
    with pytest.raises(SandboxError, match=r"expected the runtime runsc .* got only runc"):
        DockerSandbox(runtime="runsc")


def test_an_engine_of_another_processor_asks_for_an_image(fake: Callable[..., None]) -> None:
    fake(INFO | {"Architecture": "riscv64"})
    with pytest.raises(SandboxError, match="name an image that has Python"):
        find_image(connect("runc"), None)


# Images.


@pytest.fixture
def make_image(api: docker.APIClient) -> Iterator[Callable[..., str]]:
    """Imports an image of a few files."""
    made = []

    def make(files: dict[str, bytes], *changes: str) -> str:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
        name = f"reachgym-test-{os.getpid()}"
        api.import_image_from_data(
            packed.getvalue(), repository=name, tag=str(len(made)), changes=list(changes)
        )
        made.append(f"{name}:{len(made)}")
        return made[-1]

    yield make
    for name in made:
        api.remove_image(name, force=True)


def test_an_image_without_python_is_refused(make_image: Callable[..., str]) -> None:
    with pytest.raises(SandboxError, match="python3"):
        DockerSandbox(image=make_image({"etc/motd": b"hello"}))


def test_an_image_whose_python_is_none_is_refused(make_image: Callable[..., str]) -> None:
    with pytest.raises(SandboxError, match=r"expected an image whose python3 is Python 3\.11"):
        DockerSandbox(image=make_image({"usr/bin/python3": b"#!/none\n"}))


def test_an_image_with_volumes_is_refused(
    make_image: Callable[..., str], api: docker.APIClient
) -> None:
    before = api.volumes()["Volumes"]
    with pytest.raises(SandboxError, match=r"without volumes, .* with /data"):
        DockerSandbox(image=make_image({"usr/bin/python3": b""}, "VOLUME /data"))
    assert api.volumes()["Volumes"] == before


def test_an_image_that_the_engine_does_not_have_is_not_fetched(engine: Engine) -> None:
    with pytest.raises(SandboxError, match=r"'reachgym-none:1' .* pull or build it first"):
        find_image(engine, "reachgym-none:1")


def test_an_image_of_the_users_own_serves(
    api: docker.APIClient, image: str, tmp_path: Path
) -> None:
    name = f"reachgym-test-own-{os.getpid()}"
    api.tag(image, name, "1")
    try:
        with DockerSandbox(image=f"{name}:1") as sandbox:
            assert sandbox.exec("print(1)").stdout == "1\n"
            with sandbox.open_session() as session:
                assert session.run("1 + 1").stdout == "2\n"
    finally:
        api.remove_image(f"{name}:1")


def test_the_image_is_made_once_and_labelled(api: docker.APIClient, engine: Engine) -> None:
    first = find_image(engine, None)
    (before,) = api.images(first)
    assert find_image(engine, None) == first
    assert [found["Id"] for found in api.images(first)] == [before["Id"]]
    assert before["Labels"] == {"reachgym": "image"}


def test_the_image_holds_neither_packages_nor_privileged_programs(image: str) -> None:
    code = (
        "import os, sys\n"
        "for where, folders, names in os.walk('/'):\n"
        "    if where in ('/proc', '/sys'): folders.clear(); continue\n"
        "    for name in names:\n"
        "        try: mode = os.lstat(os.path.join(where, name)).st_mode\n"
        "        except OSError: continue\n"
        "        if mode & 0o6000: print('privileged', where, name)\n"
        "    if 'site-packages' in folders: print('packages', where)\n"
        "print(os.listdir('/etc'))\n"
    )
    with DockerSandbox() as sandbox:
        (line,) = sandbox.exec(code).stdout.splitlines()
    assert set(eval(line)) <= {"hosts", "hostname", "resolv.conf", "mtab"}  # noqa: S307
