"""The image of this machine's own interpreter, made where the engine does not have it yet."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import docker

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.docker.engine import Engine, engine_errors
from reachgym.envs.sandbox.launch import BOOTSTRAP

LABEL = "reachgym"
_REPOSITORY = "reachgym-sandbox"
_CHANGES = [f"LABEL {LABEL}=image", "ENV PATH=/usr/bin"]
_PACKING_S = 300.0
_CHUNK_BYTES = 2**20


def find_image(engine: Engine, image: str | None) -> str:
    """The name of the image to use, which the engine has by then.

    Args:
        engine: Where it is to be.
        image: A user's own; None for one of this machine's interpreter.

    Raises:
        SandboxError: The engine does not have it, or it cannot be made.
    """
    if image is not None:
        if not _exists(engine.api, image):
            raise SandboxError(
                f"expected the image {image!r} at the Docker engine, got none of that name: pull"
                " or build it first"
            )
        return image
    if not engine.like_host:
        raise SandboxError(
            "expected Linux, with the processor of the Docker engine, to make an image of this"
            " machine's Python: name an image that has Python 3.11 or newer, as in"
            " `sandbox: {levels: [docker], image: 'python:3.12-slim'}`"
        )
    tag = _fingerprint()
    name = f"{_REPOSITORY}:{tag}"
    if not _exists(engine.api, name):
        _import(engine.api, tag)
    return name


def _exists(api: docker.APIClient, name: str) -> bool:
    with engine_errors("look for an image"):
        return bool(api.images(name, quiet=True))


def _import(api: docker.APIClient, tag: str) -> None:
    with tempfile.TemporaryFile() as file:
        _pack("tar", file)
        file.seek(0)
        with engine_errors("import an image"):
            # Whatever has a length the library announces in two ways at once.
            chunks = iter(lambda: file.read(_CHUNK_BYTES), b"")
            api.import_image_from_stream(chunks, repository=_REPOSITORY, tag=tag, changes=_CHANGES)
    if not _exists(api, f"{_REPOSITORY}:{tag}"):
        raise SandboxError(
            "expected the Docker engine to import an image, but it has none afterwards: look at"
            " its log, and whether its disk is full"
        )


@functools.cache
def _fingerprint() -> str:
    with tempfile.TemporaryFile() as file:
        _pack("fingerprint", file)
        file.seek(0)
        return file.read().decode()


def _pack(what: str, file: IO[bytes]) -> None:
    folder = str(Path(__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", BOOTSTRAP, folder]
    try:
        subprocess.run(
            [*command, "docker.pack", what],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            env={},
            check=True,
            timeout=_PACKING_S,
        )
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SandboxError(
            f"an image of this machine's Python could not be made: {words}"
        ) from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise SandboxError(
            f"an image of this machine's Python could not be made: {error}"
        ) from error
