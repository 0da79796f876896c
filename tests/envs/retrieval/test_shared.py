"""An index is built once a node and corpus, whatever happens to who builds it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.node_cache import NodeCache, default_root
from reachgym.envs.retrieval.shared import WORTH_SHARING, corpus_index, search_index

DOCUMENTS = [
    Document(f"d{i}", f"name{i % 97}", f"word{i % 13} word{i % 101} Zoë{i}")
    for i in range(WORTH_SHARING)
]
QUERIES = ["name5", "word3 word50", "Zoë77 name77", "nothing", "word1"]

# Builds an entry whose file tells who built it; its arguments: root, key, log.
BUILDER = """
import os, sys
from pathlib import Path
from reachgym.envs.retrieval.node_cache import NodeCache
root, key, log = map(Path, sys.argv[1:4])
def build(draft):
    with log.open("a") as file:
        file.write("built\\n")
    (draft / "first").write_text("half")
    if len(sys.argv) > 4:
        print("building", flush=True)
        sys.stdin.read()
    (draft / "second").write_text("whole")
print("ready", flush=True)
sys.stdin.readline()
print((NodeCache(root).folder(str(key), build) / "second").read_text(), flush=True)
"""


def builder(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def found(index, k: int = 7):
    return [index.search(query, k) for query in QUERIES]


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")


def fill(content: str, counted: list[str] | None = None):
    def build(draft: Path) -> None:
        (draft / "file").write_text(content)
        if counted is not None:
            counted.append(content)

    return build


def test_a_shared_index_finds_what_one_in_memory_finds(tmp_path):
    plain = found(BM25Index(DOCUMENTS))
    assert sum(map(len, plain)) > 20
    assert found(search_index(DOCUMENTS, tmp_path)) == plain
    before = [(path, path.stat().st_mtime_ns) for path in files_of(tmp_path)]
    assert found(search_index(DOCUMENTS[::-1], tmp_path)) == plain
    after = [(path, path.stat().st_mtime_ns) for path in files_of(tmp_path)]
    assert [item for item in before if item[0].name != "manifest.json"] == [
        item for item in after if item[0].name != "manifest.json"
    ]


def corpus_file(path: Path, documents) -> Path:
    rows = (json.dumps(dataclasses.asdict(document)) for document in documents)
    path.write_text("\n".join(rows))
    return path


def test_a_corpus_on_disk_is_indexed_once_until_it_changes(tmp_path):
    path, cache = corpus_file(tmp_path / "rows.jsonl", DOCUMENTS), tmp_path / "cache"
    path.write_text(path.read_text() + "\n" * 2**21)
    plain = found(BM25Index(DOCUMENTS))
    assert found(corpus_index(path, cache)) == plain
    scores = next(cache.rglob("scores.npy"))
    written = scores.stat().st_mtime_ns
    assert found(corpus_index(path, cache)) == plain
    assert scores.stat().st_mtime_ns == written
    corpus_file(path, DOCUMENTS[:-1])
    path.write_text(path.read_text() + "\n" * 2**21)
    assert len(corpus_index(path, cache).documents) == len(DOCUMENTS) - 1


def test_a_small_corpus_on_disk_is_indexed_in_memory(tmp_path):
    path = corpus_file(tmp_path / "rows.jsonl", DOCUMENTS[:50])
    assert corpus_index(path, tmp_path / "cache").search("name5", 1)[0].doc_id == "d5"
    assert not (tmp_path / "cache").exists()


def test_a_small_corpus_stays_in_memory(tmp_path):
    assert search_index(DOCUMENTS[:-1], tmp_path).search("name5", 1)
    assert list(tmp_path.iterdir()) == []


def test_another_text_is_another_index(tmp_path):
    search_index(DOCUMENTS, tmp_path)
    changed = [Document("d0", "name0", "changed"), *DOCUMENTS[1:]]
    assert search_index(changed, tmp_path).search("changed", 1)[0].doc_id == "d0"
    assert len(list(tmp_path.rglob("manifest.json"))) == 2


def test_documents_that_share_an_id_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="distinct"):
        search_index([*DOCUMENTS, DOCUMENTS[0]], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "manifest"])
def test_a_damaged_index_is_built_again(tmp_path, damage):
    plain = found(search_index(DOCUMENTS, tmp_path))
    data = next(tmp_path.rglob("scores.npy"))
    content = data.read_bytes()
    if damage == "cut":
        data.write_bytes(content[:-8])
    elif damage == "flipped":
        data.write_bytes(content[:-8] + bytes(8))
    elif damage == "gone":
        data.unlink()
    else:
        (data.parent / "manifest.json").write_text("{")
    assert found(search_index(DOCUMENTS, tmp_path)) == plain
    assert data.read_bytes() == content


def test_where_no_file_can_be_kept_the_index_is_in_memory(tmp_path):
    open_to_all = tmp_path / "indexes"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert found(search_index(DOCUMENTS, tmp_path)) == found(BM25Index(DOCUMENTS))
    assert list(open_to_all.iterdir()) == []


def test_processes_that_ask_while_one_builds_wait_for_it(tmp_path):
    log = tmp_path / "log"
    others = [builder(tmp_path / "cache", "key", log) for _ in range(5)]
    first = builder(tmp_path / "cache", "key", log, "stop")
    for process in (first, *others):
        assert process.stdout.readline() == "ready\n"
    first.stdin.write("go\n")
    first.stdin.flush()
    assert first.stdout.readline() == "building\n"
    for process in others:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in (first, *others)] == ["whole\n"] * 6
    assert log.read_text() == "built\n"


def test_a_builder_that_is_killed_hurts_nobody(tmp_path):
    log = tmp_path / "log"
    first, second = (builder(tmp_path / "cache", "key", log, *stop) for stop in (["stop"], []))
    first.stdin.write("go\n")
    first.stdin.flush()
    assert [first.stdout.readline() for _ in range(2)] == ["ready\n", "building\n"]
    second.stdin.write("go\n")
    second.stdin.flush()
    assert second.stdout.readline() == "ready\n"
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert second.communicate(timeout=60)[0] == "whole\n"
    assert log.read_text() == "built\nbuilt\n"
    kept = [path.name for path in files_of(tmp_path / "cache")]
    assert kept == ["first", "manifest.json", "second"]


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(tmp_path):
    cache = NodeCache(tmp_path / "cache")

    def failing(draft: Path) -> None:
        (draft / "half").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        cache.folder("key", failing)
    assert files_of(tmp_path / "cache") == []
    assert (cache.folder("key", fill("x")) / "file").read_text() == "x"


def test_entries_that_were_not_asked_for_the_longest_make_room(tmp_path):
    cache, counted = NodeCache(tmp_path / "cache", most_bytes=4000), []
    for key in ("a", "b", "c"):
        cache.folder(key, fill(key * 1000, counted))
        os.utime(tmp_path / "cache" / key / "manifest.json", (len(counted), len(counted)))
    cache.folder("a", fill("not built", counted))
    cache.folder("d", fill("d" * 1500, counted))
    assert sorted(
        path.parent.name for path in files_of(tmp_path / "cache") if path.name == "file"
    ) == [
        "a",
        "c",
        "d",
    ]
    cache.folder("e", fill("e" * 9000, counted))
    assert [path.parent.name for path in files_of(tmp_path / "cache") if path.name == "file"] == [
        "e"
    ]
    assert len(counted) == 5


def test_a_folder_that_a_link_stands_for_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="only its user"):
        NodeCache(tmp_path / "link")


def test_the_place_can_be_told_and_is_no_home(tmp_path):
    def told(**env: str) -> str:
        clean = {key: value for key, value in os.environ.items() if "CACHE" not in key}
        script = "from reachgym.envs.retrieval.node_cache import default_root as d; print(d())"
        ran = subprocess.run(
            [sys.executable, "-c", script],
            env={**clean, **env},
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    assert told(REACHGYM_CACHE="/a", XDG_CACHE_HOME="/b") == "/a"
    assert told(XDG_CACHE_HOME="/b") == "/b/reachgym"
    assert told(TMPDIR=str(tmp_path)) == f"{tmp_path}/reachgym-{os.getuid()}"
    assert default_root().is_absolute()
