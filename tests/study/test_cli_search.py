"""`reachgym search-server`, as another process meets it."""

from __future__ import annotations

import json
import signal

import pytest

from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpora import read_corpus
from reachgym.envs.retrieval.remote import RemoteIndex
from reachgym.envs.retrieval.stored import save_index


@pytest.mark.parametrize("kind", ["corpus", "index"])
def test_it_serves_an_index_or_a_corpus_until_it_is_told_to_end(tmp_path, start, kind):
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps({"id": "a", "text": "born in London"}))
    if kind == "index":
        save_index(BM25Index(read_corpus(source)), tmp_path / "index")
        source = tmp_path / "index"
    process = start("search-server", source, "--port", "0")
    line = process.stdout.readline()
    assert line.startswith(f"Serving {source} at http://127.0.0.1:")
    assert RemoteIndex(line.split()[-1]).search("London", 1)[0].doc_id == "a"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_what_is_no_corpus_is_told_in_a_line(reachgym, tmp_path):
    left = reachgym("search-server", str(tmp_path / "gone"))
    assert left.returncode == 2
    assert left.stderr.count("\n") == 1
    assert "expected a corpus" in left.stderr
