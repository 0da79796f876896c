"""Corpora from files: what is a document, and where a row is wrong."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reachgym.envs.errors import InputError
from reachgym.envs.retrieval.corpora import read_corpus
from reachgym.envs.retrieval.corpus import Document

ROWS = [
    {"id": "a", "title": "Ada", "text": "born in London"},
    {"id": "b", "title": None, "text": "Zoë 🌍"},
]
DOCUMENTS = [Document("a", "Ada", "born in London"), Document("b", "", "Zoë 🌍")]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_of_jsonl_and_parquet_are_the_same_documents(tmp_path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert list(read_corpus(tmp_path / "rows.parquet")) == DOCUMENTS
    assert list(read_corpus(jsonl(tmp_path / "rows.jsonl", ROWS))) == DOCUMENTS


def test_other_names_of_the_fields_are_known_and_missing_ids_numbered(tmp_path):
    rows = [{"_id": 7, "contents": "seven"}, {"text": "", "more": [1]}]
    found = list(read_corpus(jsonl(tmp_path / "rows.jsonl", rows)))
    assert found == [Document("7", "", "seven"), Document("000000001", "", "")]


def test_a_folder_holds_texts_and_rows_at_any_depth(tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    (below / "Ada.md").write_text("born in London")
    (tmp_path / "picture.png").write_bytes(b"\x89")
    (tmp_path / "z.txt").write_text("last")
    jsonl(tmp_path / "one.jsonl", [{"text": "x"}])
    jsonl(tmp_path / "two.jsonl", [{"text": "y"}])
    assert list(read_corpus(tmp_path)) == [
        Document("below/Ada.md", "Ada", "born in London"),
        Document("000000000", "", "x"),
        Document("000000001", "", "y"),
        Document("z.txt", "z", "last"),
    ]


def test_documents_come_while_a_later_row_is_wrong(tmp_path):
    documents = read_corpus(jsonl(tmp_path / "rows.jsonl", [*ROWS, {"body": "x"}]))
    assert [next(documents), next(documents)] == DOCUMENTS
    with pytest.raises(InputError, match=r"rows.jsonl, row 3: .*'text'.* got the fields body"):
        next(documents)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": 3}', "'text' with a text, got 3"),
        ('{"text": "x", "title": []}', "'title' with a text"),
        ('{"text": "x", "id": true}', "expected an id"),
        ('{"text": "x"', "expected a JSON object"),
        ("[]", "got a list"),
    ],
)
def test_a_wrong_row_is_told_with_its_place(tmp_path, line, said):
    (tmp_path / "rows.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(InputError, match=f"rows.jsonl, row 2: .*{said}"):
        list(read_corpus(tmp_path))


def test_what_is_no_corpus_is_told(tmp_path):
    with pytest.raises(InputError, match="found none"):
        list(read_corpus(tmp_path))
    with pytest.raises(InputError, match="found nothing"):
        list(read_corpus(tmp_path / "gone"))
    (tmp_path / "page.html").write_text("x")
    with pytest.raises(InputError, match="expected a file named"):
        list(read_corpus(tmp_path / "page.html"))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"latin.txt: expected a text in UTF-8"):
        list(read_corpus(tmp_path))
