"""A store's folder: begun, or recognised as one of this format."""

from __future__ import annotations

import json
from pathlib import Path

from reachgym.envs.errors import StoreError
from reachgym.rollout.store_files import first_line, write_whole

SCHEMA_VERSION = 5
MANIFEST = "manifest.jsonl"
_FORMAT = "reachgym trajectories"
_MARKER = "store.json"


def open_folder(path: Path, create: bool) -> None:
    """Make sure that a folder is a store; where there is none, begin one if that is wanted.

    Raises:
        StoreError: It is none, holds something else, or has another format.
    """
    marker = path / _MARKER
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is a file; a trajectory store is a folder")
    if not marker.exists():
        if not create:
            raise StoreError(f"there is no trajectory store at {path} (no {_MARKER})")
        _begin(path)
    _check_marker(marker)


def _begin(path: Path) -> None:
    if path.exists() and any(_is_foreign(entry) for entry in path.iterdir()):
        raise StoreError(
            f"{path} is not empty and holds no trajectory store (no {_MARKER}); "
            "give a new or an empty folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"format": _FORMAT, "version": SCHEMA_VERSION}).encode()
    try:
        # Another process may have begun here too, and written by now.
        (path / MANIFEST).touch()
        write_whole(path / _MARKER, content)
    except OSError as error:
        raise StoreError(f"{path} could not be written to ({error.strerror})") from error


def _is_foreign(entry: Path) -> bool:
    """Whether it is nothing that a store leaves which died while it was begun."""
    empty_manifest = entry.name == MANIFEST and entry.stat().st_size == 0
    return not (entry.suffix == ".tmp" or empty_manifest)


def _check_marker(marker: Path) -> None:
    try:
        content = json.loads(marker.read_text())
        told, version = content["format"], int(content["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{marker} is damaged ({first_line(error)}); restore it") from error
    if told != _FORMAT:
        raise StoreError(f"{marker.parent} holds '{told}', expected '{_FORMAT}'")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{marker.parent} has format version {version}, this reachgym reads and writes "
            f"{SCHEMA_VERSION}; use the reachgym that made it, or another folder"
        )
