"""Rows of files: the same from every format, lazily, with errors that name file and row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reachgym.envs.datasets.parquet_rows import ParquetRows
from reachgym.envs.datasets.row_files import open_rows
from reachgym.envs.errors import InputError

ROWS = [
    {"text": 'quotes " and \\ and ] } [ {', "list": [1, 2], "deep": {"a": ["ü", "🙂"]}},
    {"text": "", "list": [], "deep": {"a": []}},
    {"text": "line\nbreak\u2028", "list": [3], "deep": {"a": ["\\", '"']}},
]


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "json", "parquet"])
def test_every_format_gives_the_same_rows(write, suffix):
    rows = open_rows(Path(write(f"rows.{suffix}", ROWS)))
    assert len(rows) == 3
    assert list(rows.scan()) == ROWS
    assert [rows.row(index) for index in (2, 0, 1)] == [ROWS[2], ROWS[0], ROWS[1]]


def test_blank_lines_and_a_missing_last_line_break_are_no_rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"a": 1}\r\n  \n{"a": 2}')
    assert list(open_rows(path).scan()) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_an_empty_file_has_no_rows(tmp_path, name):
    (tmp_path / name).write_text("")
    assert len(open_rows(tmp_path / name)) == 0


@pytest.mark.parametrize("held", [100, 10])
def test_rows_of_large_parquet_groups_are_found_one_by_one(tmp_path, monkeypatch, held):
    monkeypatch.setenv("REACHGYM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rows.parquet"
    rows = [{"n": n, "text": f"row {n}"} for n in range(3000)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1300 if held == 10 else 77)
    opened = ParquetRows(path, held)
    assert len(opened) == 3000
    wanted = [0, 2999, 1024, 1023, 1299, 1300, 2048, 5]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(opened.row, wanted)) == [rows[n] for n in wanted]
    assert (tmp_path / "cache" / "rows").exists() == (held == 10)


def test_a_copy_is_made_anew_when_the_file_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("REACHGYM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rows.parquet"
    for text in ("first", "another"):
        pq.write_table(pa.Table.from_pylist([{"text": text}] * 20), path)
        assert ParquetRows(path, 10).row(3) == {"text": text}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"a": 1', "row 2: expected a JSON object in UTF-8, got"),
        ("[1]", "row 2: expected a JSON object, got a list"),
        ("[" * 100_000, "row 2: expected a JSON object in UTF-8"),
    ],
)
def test_a_line_that_is_no_object_is_named(tmp_path, line, said):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(InputError, match=said) as caught:
        list(open_rows(path).scan())
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": "\xff\xfe"}\n')
    with pytest.raises(InputError, match="row 1: expected a JSON object in UTF-8"):
        open_rows(path).row(0)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", "a,b", r"expected a file named \.jsonl"),
        ("rows.jsonl.gz", "a", "unpack it first"),
        ("rows.json", '{"a": 1}', r"expected a JSON list.*name a file of lines \.jsonl"),
        ("rows.json", '[{"a": 1}, {"a"', "does not end"),
        ("rows.parquet", "a", "expected a Parquet file, got"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        open_rows(tmp_path / name)


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InputError, match="found a folder"):
        open_rows(tmp_path / "folder.jsonl")
    with pytest.raises(InputError, match="found nothing"):
        open_rows(tmp_path / "rows.jsonl")
