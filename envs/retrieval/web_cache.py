"""Responses of the web kept by request, so that an episode can be played again without it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from reachgym.envs.errors import ConfigError, InfrastructureError
from reachgym.envs.types import JSON


class CacheMode(StrEnum):
    """Where responses come from.

    Attributes:
        OFF: The web, and nothing is kept.
        RECORD: The web for a request that was never made before, and what was kept for others.
        REPLAY: What was kept, and nothing else.
    """

    OFF = "off"
    RECORD = "record"
    REPLAY = "replay"


class ResponseCache:
    """A folder of responses, one file a request; processes may share it.

    A file is written whole and then put into place, and the first one stays: whoever asks the same
    at the same time gets what the first one got. Nothing is ever removed.
    """

    def __init__(self, root: Path | None = None, mode: CacheMode = CacheMode.OFF) -> None:
        """A cache in a folder.

        Args:
            root: The folder; not needed where nothing is kept.
            mode: Where responses come from.

        Raises:
            ConfigError: There is no folder to keep them in or to take them from.
        """
        if mode is not CacheMode.OFF and root is None:
            raise ConfigError(f"expected a folder for the mode '{mode}', got none; name one")
        if mode is CacheMode.REPLAY and root is not None and not root.is_dir():
            raise ConfigError(
                f"expected kept responses in {root}, got no folder; record them first"
            )
        self._root = root or Path()
        self.mode = mode

    def response(self, request: Mapping[str, JSON], ask: Callable[[], JSON]) -> JSON:
        """The response to a request; `ask` gets one from the web.

        Raises:
            InfrastructureError: Nothing is kept for it and nothing may be asked, or what is kept
                is damaged or cannot be written.
        """
        if self.mode is CacheMode.OFF:
            return ask()
        path = self._path(request)
        if path.exists():
            return _read(path, request)
        if self.mode is CacheMode.REPLAY:
            raise InfrastructureError(
                f"expected a kept response to {_quote(request)} in {self._root}, got none; record "
                "it, or ask what was asked then"
            )
        response = ask()
        try:
            self._keep(path, {"request": dict(request), "response": response})
        except OSError as error:
            raise InfrastructureError(
                f"a response could not be kept in {self._root}: {error.strerror}; make room there, "
                "or name another folder"
            ) from None
        return _read(path, request)

    def _path(self, request: Mapping[str, JSON]) -> Path:
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        return self._root / digest[:2] / f"{digest}.json"

    def _keep(self, path: Path, entry: JSON) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(entry, file, ensure_ascii=True)
                file.flush()
                os.fsync(file.fileno())
            with _locked(self._root / ".lock"):
                if not path.exists():
                    os.replace(draft, path)
        finally:
            Path(draft).unlink(missing_ok=True)


def _read(path: Path, request: Mapping[str, JSON]) -> JSON:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        kept: JSON = entry["request"]
        response: JSON = entry["response"]
    except (OSError, ValueError, KeyError, TypeError):
        kept, response = None, None
    if kept != request:
        raise InfrastructureError(
            f"expected a kept response in {path}, got a damaged file; remove it and record it again"
        )
    return response


def _quote(request: Mapping[str, JSON]) -> str:
    text = json.dumps(request, ensure_ascii=True)
    return text if len(text) <= 200 else text[:200] + "..."


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
