"""`ray job submit` takes a script, and the modules beside it, to a running cluster."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

WORLDS = Path(__file__).parent / "worlds"
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
NEEDED = ("aiohttp_cors", "opencensus", "prometheus_client")

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="jobs are submitted to Ray's dashboard, which comes with ray[default]",
)


@dataclass(frozen=True)
class Head:
    url: str
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def head(tmp_path) -> Iterator[Head]:
    """A cluster as `ray start` makes it, guarded by a token of its own."""
    # Jobs are started with the `python` that is found first.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    guard = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = os.environ | guard | {"RAY_USAGE_STATS_ENABLED": "0", "PATH": path}
    port = free_port()
    command = [*RAY, "start", "--head", "--block", "--num-cpus=1", f"--port={free_port()}"]
    # The paths of sockets are short, those of pytest's folders are not.
    with (
        TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        (tmp_path / "head.log").open("w") as log,
    ):
        command += [f"--dashboard-port={port}", f"--temp-dir={folder}"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_for(port, process, tmp_path / "head.log")
            yield Head(f"http://127.0.0.1:{port}", environment)
        finally:
            process.terminate()
            process.wait(30)


def wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    while True:
        assert process.poll() is None, log.read_text()
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def test_a_script_and_its_modules_reach_the_workers(head):
    submit = [*RAY, "job", "submit", "--address", head.url, "--working-dir", str(WORLDS)]
    ran = subprocess.run(
        [*submit, "--", "python", "submitted.py"],
        env=head.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "30 played, 0 failed" in ran.stdout
