"""An index on disk finds what the one in memory found, and says so when it is damaged."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import InputError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.stored import open_index, save_index

DOCUMENTS = [
    Document(f"d{i}", f"name{i % 7}", f"the word{i % 13} of Zoë 🌍{i} \ud800\x00 {'x' * (i % 3)}")
    for i in range(300)
]
QUERIES = ["name5", "the word3 word5 of the Zoë", "nothing", "", "Zoë x xx"]


def found(index, k=9):
    return [index.search(query, k) for query in QUERIES]


def test_an_opened_index_finds_what_the_one_saved_finds(tmp_path):
    index = BM25Index(DOCUMENTS)
    save_index(index, tmp_path / "new" / "index")
    opened = open_index(tmp_path / "new" / "index")
    assert found(opened) == found(index)
    assert list(opened.documents) == list(index.documents)
    assert opened.documents[-2:] == index.documents[-2:]


def test_an_opened_index_can_be_saved_again(tmp_path):
    save_index(BM25Index(DOCUMENTS), tmp_path / "one")
    save_index(open_index(tmp_path / "one"), tmp_path / "two")
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


@pytest.mark.parametrize("documents", [[], [Document("1", "--", "")]])
def test_an_index_without_words_can_be_kept(tmp_path, documents):
    save_index(BM25Index(documents), tmp_path / "index")
    assert open_index(tmp_path / "index").search("word", 3) == []


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="expected an empty folder"):
        save_index(BM25Index(DOCUMENTS), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_save_that_fails_leaves_nothing_half_written(tmp_path):
    index = BM25Index(DOCUMENTS)
    full = BM25Index([*DOCUMENTS[:9], Document("e", "t", 3)], index.scores)  # No text to write.
    with pytest.raises(AttributeError):
        save_index(full, tmp_path / "index")
    save_index(index, tmp_path / "index")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written there"):
        save_index(index, tmp_path / "file")


def test_a_folder_without_an_index_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected the folder of an index"):
        open_index(tmp_path)


def test_another_layout_is_refused(tmp_path):
    save_index(BM25Index(DOCUMENTS), tmp_path / "index")
    (tmp_path / "index" / "index.json").write_text('{"kind": "bm25", "layout": 1}')
    with pytest.raises(InputError, match="build it again"):
        open_index(tmp_path / "index")


@pytest.mark.parametrize("name", ["scores.npy", "texts.utf8", "ids.bounds.npy", "words.utf8"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_index_is_refused(tmp_path, name, damage):
    save_index(BM25Index(DOCUMENTS), tmp_path / "index")
    path = tmp_path / "index" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-8])
    with pytest.raises(InputError, match="damaged"):
        open_index(tmp_path / "index")
