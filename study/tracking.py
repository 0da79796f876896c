"""Numbers over time: always to a local file, and to TensorBoard or Weights & Biases if asked to."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reachgym.envs.errors import ConfigError

if TYPE_CHECKING:
    import wandb
    from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.jsonl"
TARGETS = ("tensorboard", "wandb")
_PROJECT = "reachgym"


class Track(Protocol):
    """The numbers of one training or one run of attempts."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write numbers that belong to a step."""
        ...

    def close(self) -> None:
        """Write what is not written yet."""
        ...


class Tracking:
    """Opens a track for every part of a run; all are below one folder.

    Args:
        folder: The run's; TensorBoard's files are in `tensorboard/` there, W&B's in `wandb/`.
        targets: `"tensorboard"`, `"wandb"`, or both, besides the local file.

    Raises:
        ConfigError: A target is unknown, or its package is not installed.
    """

    def __init__(self, folder: Path, targets: Sequence[str] = ()) -> None:
        for target in targets:
            if target not in TARGETS:
                raise ConfigError(f"--track expects {' or '.join(TARGETS)}, got {target!r}")
            if importlib.util.find_spec(target) is None:
                raise ConfigError(
                    f"expected the package {target} for --track {target}, which is not installed;"
                    f" `pip install 'reachgym[{target}]'`"
                )
        self._folder = folder
        self._targets = tuple(targets)

    def open(self, name: str, file: Path) -> Track:
        """A track.

        Args:
            name: Of the part, e.g. `arm/rl_tools/seed-1`.
            file: Where its lines go, one JSON object a step.
        """
        tracks: list[Track] = [_FileTrack(file)]
        if "tensorboard" in self._targets:
            tracks.append(_TensorBoardTrack(self._folder / "tensorboard" / name))
        if "wandb" in self._targets:
            tracks.append(_WandbTrack(self._folder, name))
        return _Tracks(tracks)


class _Tracks:
    def __init__(self, tracks: Sequence[Track]) -> None:
        self._tracks = tracks

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for track in self._tracks:
            track.log(step, numbers)

    def close(self) -> None:
        for track in self._tracks:
            track.close()


class _FileTrack:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._started_s = time.monotonic()

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        elapsed_s = round(time.monotonic() - self._started_s, 3)
        line = json.dumps({"step": step, "elapsed_s": elapsed_s, **numbers})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def close(self) -> None:
        """Every line is on its way already."""


class _TensorBoardTrack:
    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: SummaryWriter = SummaryWriter(str(folder))

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _WandbTrack:
    def __init__(self, folder: Path, name: str) -> None:
        import wandb

        # Several run beside each other in one process; each is a run of its own there.
        self._run: wandb.Run = wandb.init(
            project=_PROJECT,
            group=folder.name,
            name=name,
            dir=str(folder),
            reinit="create_new",
            settings=wandb.Settings(silent=True),
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()
