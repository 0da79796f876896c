"""The folder of a study: which stages are done, and that it is this study's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reachgym.envs.errors import StoreError
from reachgym.envs.types import JSON
from reachgym.study.config.study import StudyConfig

_CONFIG = "config.json"
_DONE = "done.json"


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`, or leave it as it was."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """Where a study keeps everything; one folder a stage, complete when its marker is there."""

    path: Path

    @classmethod
    def open(cls, path: Path, config: StudyConfig) -> StudyFolder:
        """Create the folder, or continue it if it holds the same study.

        Raises:
            StoreError: The folder holds another study, or files that are no study.
        """
        folder = cls(path)
        recorded = path / _CONFIG
        if not recorded.exists():
            if path.is_file() or (path.is_dir() and any(path.iterdir())):
                raise StoreError(
                    f"{path} exists and is no study's folder; choose another with --out"
                )
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(recorded, json.dumps(_record(config), indent=1))
            return folder
        differing = _differences(_load(recorded), _record(config))
        if differing:
            raise StoreError(
                f"{path} holds another study (it differs in {', '.join(differing[:4])}); choose "
                "another folder with --out, or delete this one"
            )
        return folder

    def stage(self, name: str) -> Path:
        """The folder of one stage, e.g. `arm/rl_tools/seed-0`."""
        return self.path / name

    def result(self, name: str) -> dict[str, JSON] | None:
        """What a finished stage recorded, or None if it is not finished."""
        marker = self.stage(name) / _DONE
        return _load(marker) if marker.exists() else None

    def begin(self, name: str, *, afresh: bool = True) -> Path:
        """The folder of a stage; what an interrupted try left is removed, if it is to be afresh."""
        stage = self.stage(name)
        if afresh and stage.exists():
            shutil.rmtree(stage)
        stage.mkdir(parents=True, exist_ok=True)
        return stage

    def finish(self, name: str, result: Mapping[str, JSON]) -> None:
        """Mark a stage as finished, for good."""
        write_atomically(self.stage(name) / _DONE, json.dumps(dict(result), indent=1))


def _record(config: StudyConfig) -> dict[str, JSON]:
    content: dict[str, JSON] = config.model_dump(mode="json", exclude={"resources"})
    return content


def _load(path: Path) -> dict[str, JSON]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is damaged ({error}); delete the study's folder") from None
    if not isinstance(content, dict):
        raise StoreError(f"{path} is damaged: expected an object; delete the study's folder")
    return content


def _differences(old: JSON, new: JSON, where: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted(old.keys() | new.keys()):
            place = f"{where}.{key}" if where else key
            found += _differences(old.get(key), new.get(key), place)
        return found
    return [] if old == new else [where]
