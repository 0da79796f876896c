"""A BM25 index as files that processes map: documents, words and scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from reachgym.envs.errors import InputError
from reachgym.envs.retrieval.bm25 import BM25Index, Scores
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.ranking import Postings

LAYOUT = 2
ABOUT = "index.json"
KIND = "bm25"


class StoredTexts(Sequence[str]):
    """Texts one after another in a file, and where each begins in another."""

    def __init__(self, folder: Path, name: str) -> None:
        self._bounds = _mapped(folder / f"{name}.bounds.npy")
        path = folder / f"{name}.utf8"
        self._content = np.empty(0, np.uint8)
        if path.stat().st_size:
            self._content = np.asarray(np.memmap(path, np.uint8, mode="r"))
        if len(self._content) != self._bounds[-1]:
            raise ValueError(f"{path.name} holds {len(self._content)} bytes, not all")

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        content = self._content[self._bounds[number] : self._bounds[number + 1]]
        return content.tobytes().decode("utf-8", "surrogatepass")


class StoredDocuments(Sequence[Document]):
    """Documents of which none is held."""

    def __init__(self, folder: Path) -> None:
        self._ids = StoredTexts(folder, "ids")
        self._titles = StoredTexts(folder, "titles")
        self._texts = StoredTexts(folder, "texts")

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Document(self._ids[index], self._titles[index], self._texts[index])


class StoredWords:
    """Numbers of words, found by the words' hashes."""

    def __init__(self, folder: Path) -> None:
        self.words = StoredTexts(folder, "words")
        self._hashes = _mapped(folder / "hashes.npy")
        self._numbers = _mapped(folder / "numbers.npy")

    def number(self, word: str) -> int | None:
        """The number of a word; None if it is not there."""
        wanted = _hash(word)
        at = int(np.searchsorted(self._hashes, wanted))
        while at < len(self._hashes) and self._hashes[at] == wanted:
            number = int(self._numbers[at])
            if self.words[number] == word:
                return number
            at += 1
        return None


def save_index(index: BM25Index, folder: Path) -> None:
    """Write an index into a folder, from which `open_index` maps it.

    Raises:
        InputError: The folder holds something already, or cannot be written.
    """
    with empty_folder(folder):
        write_index(index, folder)


@contextmanager
def empty_folder(folder: Path) -> Iterator[None]:
    """A folder to write an index into; it is emptied again if that fails.

    Raises:
        InputError: It holds something already, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder}: expected an empty folder for an index, found files in it")
        with ExitStack() as emptying:
            emptying.callback(_empty, folder)
            yield
            emptying.pop_all()
    except OSError as error:
        raise InputError(f"{folder}: an index cannot be written there: {error}") from None


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def kind_of(folder: Path) -> str | None:
    """The kind of the index that is kept in a folder; None if there is none."""
    try:
        about = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError):
        return None
    return str(about.get("kind")) if isinstance(about, dict) else None


def require_kind(folder: Path, kind: str, layout: int) -> dict[str, Any]:
    """What a folder says of its index.

    Raises:
        InputError: The folder holds no index, or one of another kind or layout.
    """
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError):
        raise InputError(f"{folder}: expected the folder of an index; save one there") from None
    if (about.get("kind"), about.get("layout")) != (kind, layout):
        raise InputError(
            f"{folder}: expected an index of kind {kind} and layout {layout}, got {about}; build "
            "it again"
        )
    return about


def open_index(folder: Path) -> BM25Index:
    """The index of a folder, mapped: nothing is read before it is needed.

    Raises:
        InputError: The folder holds no index, or one that is damaged or of another layout.
    """
    require_kind(folder, KIND, LAYOUT)
    try:
        return BM25Index(StoredDocuments(folder), _scores(folder))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: the index is damaged: {error}; build it again") from None


def write_index(index: BM25Index, folder: Path) -> None:
    """Write an index into an empty folder.

    Raises:
        OSError: It cannot be written.
    """
    write_documents(index.documents, folder)
    _write_words(folder, index.scores.vocabulary)
    for name, array in _arrays(index.scores.postings).items():
        np.save(folder / f"{name}.npy", array)
    # Last, since it says that all is there.
    (folder / ABOUT).write_text(json.dumps({"kind": KIND, "layout": LAYOUT}))


def write_documents(documents: Sequence[Document], folder: Path) -> None:
    """Write documents into a folder, from which `StoredDocuments` maps them."""
    _write_texts(folder, "ids", (document.id for document in documents))
    _write_texts(folder, "titles", (document.title for document in documents))
    _write_texts(folder, "texts", (document.text for document in documents))


def _arrays(postings: Postings) -> dict[str, npt.NDArray[Any]]:
    return {
        "scores": postings.scores,
        "documents": postings.documents,
        "bounds": postings.bounds,
        "frequent": postings.frequent,
        "rows": postings.rows,
    }


def _scores(folder: Path) -> Scores:
    words = StoredWords(folder)
    rows = _mapped(folder / "rows.npy")
    postings = Postings(
        _mapped(folder / "scores.npy"),
        _mapped(folder / "documents.npy"),
        _mapped(folder / "bounds.npy"),
        _mapped(folder / "frequent.npy"),
        rows,
        rows.shape[1],
    )
    return Scores(words.number, postings, words.words)


def _mapped(path: Path) -> npt.NDArray[Any]:
    # A plain array: slices of the mapped kind take several times as long.
    array: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r"))
    return array


def _write_words(folder: Path, vocabulary: Sequence[str]) -> None:
    hashes = np.fromiter(map(_hash, vocabulary), np.uint64, len(vocabulary))
    order = np.argsort(hashes, kind="stable")
    np.save(folder / "hashes.npy", hashes[order])
    np.save(folder / "numbers.npy", order)
    _write_texts(folder, "words", vocabulary)


def _write_texts(folder: Path, name: str, texts: Iterable[str]) -> None:
    with (folder / f"{name}.utf8").open("wb") as file:

        def lengths() -> Iterator[int]:
            for text in texts:
                yield file.write(text.encode("utf-8", "surrogatepass"))

        bounds = np.fromiter(accumulate(lengths(), initial=0), np.int64)
    np.save(folder / f"{name}.bounds.npy", bounds)


def _hash(word: str) -> np.uint64:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))
