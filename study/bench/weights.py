"""A checkpoint's identity: the same folder may hold other weights the next time."""

from __future__ import annotations

import hashlib
from pathlib import Path

# What makes a model act as it does; the state of its training does not.
_SUFFIXES = frozenset({".safetensors", ".bin", ".json", ".model", ".txt", ".jinja"})
_PIECE_BYTES = 2**20
_PIECES = 64


def weights_digest(folder: Path) -> str:
    """Sixteen hex digits over a checkpoint's files.

    Of a file above 64 MiB, 64 pieces of a MiB at equal distances are read, the first and last among
    them: training changes weights everywhere, and hundreds of gigabytes would take minutes.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.is_file():
            size = path.stat().st_size
            digest.update(f"{path.name} {size} ".encode())
            with path.open("rb") as file:
                for start in _starts(size):
                    file.seek(start)
                    digest.update(file.read(_PIECE_BYTES))
    return digest.hexdigest()[:16]


def _starts(size: int) -> list[int]:
    if size <= _PIECES * _PIECE_BYTES:
        return list(range(0, size, _PIECE_BYTES))
    last = size - _PIECE_BYTES
    return [last * piece // (_PIECES - 1) for piece in range(_PIECES)]
