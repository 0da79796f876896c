"""Corpora from files: rows of JSONL, JSON and Parquet, and folders of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from reachgym.envs.errors import InputError
from reachgym.envs.retrieval.corpus import Document

_ROWS = (".jsonl", ".ndjson", ".json", ".parquet")
_TEXTS = (".txt", ".md")


def read_corpus(path: Path) -> Iterator[Document]:
    """The documents of a file or a folder, one by one.

    A row has `text` (or `contents`) and, if they are there, `title` and `id` (or `_id`, as BEIR has
    it); rows without ids are numbered. In a folder, and in the folders below it, a text file
    (`.txt`, `.md`) is a document, whose id is its path and whose title is its name; files of rows
    hold a document a row.

    Raises:
        InputError: A file cannot be read, or a row is no document; the text tells file and row.
    """
    # Here, since it brings pyarrow, and indexes are on the way of every environment.
    from reachgym.envs.datasets.row_files import open_rows, place

    number = 0
    for file in corpus_files(path):
        if file.suffix in _TEXTS:
            name = file.relative_to(path).as_posix() if file != path else file.name
            yield Document(name, file.stem, _content(file))
            continue
        for index, row in enumerate(open_rows(file).scan()):
            yield _document(row, number, place(file, index))
            number += 1


def corpus_files(path: Path) -> list[Path]:
    """The files of a corpus, by name.

    Raises:
        InputError: There are none.
    """
    known = ", ".join(_ROWS + _TEXTS)
    if not path.exists():
        raise InputError(f"{path}: expected a corpus, found nothing; give a file or a folder")
    if not path.is_dir():
        if path.suffix not in _ROWS + _TEXTS:
            raise InputError(f"{path}: expected a file named {known}, or a folder of such")
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in _ROWS + _TEXTS)
    if not found:
        raise InputError(f"{path}: expected files named {known} in the folder, found none")
    return found


def _document(row: Mapping[str, object], number: int, where: str) -> Document:
    text = row.get("text", row.get("contents"))
    if not isinstance(text, str):
        raise InputError(f"{where}: expected the field 'text' with a text, got {_told(text, row)}")
    title = row.get("title")
    if title is not None and not isinstance(title, str):
        raise InputError(f"{where}: expected the field 'title' with a text, got {title!r:.60}")
    own_id = row.get("id", row.get("_id"))
    if own_id is None:
        return Document(f"{number:09}", title or "", text)
    if not isinstance(own_id, str | int) or isinstance(own_id, bool):
        raise InputError(f"{where}: expected an id, a text or a number, got {own_id!r:.60}")
    return Document(str(own_id), title or "", text)


def _told(text: object, row: Mapping[str, object]) -> str:
    if text is None and not {"text", "contents"} & row.keys():
        return f"the fields {', '.join(map(str, row)) or 'none'}"
    return f"{text!r:.60}"


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected a text in UTF-8: {error}; convert it first") from None
