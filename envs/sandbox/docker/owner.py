"""Who owns a container, written on it, so that what an owner left behind is found and removed.

A container ends by itself when its owner does. What this is for is a container that was made and
never started, and an engine that was restarted.
"""

from __future__ import annotations

import os
from pathlib import Path

import docker
from docker.errors import APIError

from reachgym.envs.sandbox.docker.engine import engine_errors
from reachgym.envs.sandbox.docker.image import LABEL

_OWNER = f"{LABEL}.owner"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def owner_labels() -> dict[str, str]:
    """The labels of a container of this process."""
    return {LABEL: "container", _OWNER: " ".join((*_machine(), *_process(os.getpid())))}


def sweep(api: docker.APIClient) -> None:
    """Remove the containers whose owners, processes of this machine, are gone.

    Raises:
        SandboxError: The engine does not answer.
    """
    with engine_errors("list containers"):
        found = api.containers(all=True, filters={"label": _OWNER})
    for container in found:
        words = container["Labels"][_OWNER].split()
        machine = _machine()
        # Processes of another machine, or numbered in another namespace, are not ours to judge.
        if machine and tuple(words[:2]) == machine and words[2:] != _process(int(words[2])):
            remove(api, container["Id"])


def remove(api: docker.APIClient, container: str) -> None:
    """Remove a container, alive or not, if it is there."""
    with engine_errors("remove a container"):
        try:
            api.remove_container(container, force=True, v=True)
        except APIError as error:
            # It is gone, or it ended and the engine is removing it.
            if error.status_code not in (404, 409):
                raise


def _machine() -> tuple[str, str] | tuple[()]:
    try:
        return _BOOT_ID.read_text().strip(), os.readlink("/proc/self/ns/pid")
    except OSError:
        # Only Linux tells; elsewhere containers are nobody's to sweep.
        return ()


def _process(pid: int) -> list[str]:
    """A process's number and when it started; nothing where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [str(pid), fields[19]]
