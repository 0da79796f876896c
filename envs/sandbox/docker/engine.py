"""Finds the Docker engine, and says what is missing where it does not serve."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker
import requests
from docker.errors import APIError, DockerException

from reachgym.envs.errors import SandboxError

_USUAL = "the usual socket"
# Longer than an engine under load takes to start a container.
_ANSWER_S = 30.0
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers and bounds what containers use.

    Attributes:
        api: Its interface.
        like_host: It runs programs of this machine: on Linux, with the same processor.
    """

    api: docker.APIClient
    like_host: bool


def connect(runtime: str, answer_s: float = _ANSWER_S) -> Engine:
    """The engine that `DOCKER_HOST` names, or the usual one.

    Args:
        runtime: One that it must have.
        answer_s: How long it may take to answer anything.

    Raises:
        SandboxError: There is none that serves; the text says what to do.
    """
    with engine_errors("answer"):
        api = docker.from_env(version="auto", timeout=int(max(1, answer_s))).api
        about = api.info()
    if about["OSType"] != "linux":
        raise SandboxError(
            f"expected a Docker engine for Linux containers, got one for {about['OSType']}:"
            " switch it to Linux containers"
        )
    if runtime not in about["Runtimes"]:
        known = ", ".join(sorted(about["Runtimes"]))
        raise SandboxError(
            f"expected the runtime {runtime} at the Docker engine, got only {known}: install"
            f" {runtime} and name it under `runtimes` in the engine's daemon.json, with"
            " `--platform=ptrace` where it is gVisor from a distribution"
        )
    for limit in ("MemoryLimit", "PidsLimit"):
        if not about[limit]:
            raise SandboxError(
                f"expected a Docker engine that bounds memory and processes, got one without"
                f" {limit}: give it the control groups `memory` and `pids`"
            )
    architecture = _ARCHITECTURES.get(about["Architecture"], about["Architecture"])
    like_host = platform.system() == "Linux" and platform.machine() == architecture
    return Engine(api, like_host)


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Raises what the engine's library raises as a `SandboxError` that says what to do.

    Args:
        what: What the engine was to do.
    """
    where = os.environ.get("DOCKER_HOST", _USUAL)
    try:
        yield
    except APIError as error:
        raise SandboxError(
            f"expected the Docker engine at {where} to {what}, but it refused: {error.explanation}"
        ) from error
    except (requests.exceptions.Timeout, TimeoutError) as error:
        raise SandboxError(
            f"expected the Docker engine at {where} to {what}, but it did not answer in time;"
            " look at its log, or restart it"
        ) from error
    except (DockerException, requests.exceptions.RequestException, OSError) as error:
        raise SandboxError(
            f"expected the Docker engine at {where} to {what}, but: {error}. {_advice(error)}"
        ) from error


def _advice(error: BaseException) -> str:
    text = str(error)
    if "Permission" in text:
        return "Let this user use its socket (on most systems: join the group `docker`)."
    if "timed out" in text.lower():
        return "It did not answer in time; look at its log, or restart it."
    return "Start the engine, or name a running one in DOCKER_HOST."
