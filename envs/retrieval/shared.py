"""One search index a node and corpus, which every process maps into its memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from reachgym.envs.errors import InputError
from reachgym.envs.retrieval.bm25 import BM25Index, ordered_by_id
from reachgym.envs.retrieval.corpora import corpus_files, read_corpus
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.node_cache import NodeCache, default_root
from reachgym.envs.retrieval.stored import LAYOUT, open_index, write_index

# Building takes a fifth of a second from here on. Opening takes a tenth of building at 1,000
# documents of thirty words already, but nobody waits for some milliseconds.
WORTH_SHARING = 10_000
WORTH_SHARING_BYTES = 2**21
_TRIES = 3


def search_index(documents: Iterable[Document], cache_root: Path | None = None) -> BM25Index:
    """A BM25 index, shared by the node's processes if the corpus is large.

    Documents, words and scores are shared, keyed by the documents' content and by the version of
    bm25s; searches find the same as with `BM25Index(documents)`. Where the cache cannot be used
    (see `NodeCache`) the index is built in memory.

    Args:
        documents: The corpus.
        cache_root: Where to keep it; by default where `node_cache.default_root` says.

    Raises:
        ConfigError: Two documents share an id.
    """
    ordered = ordered_by_id(documents)
    if len(ordered) < WORTH_SHARING:
        return BM25Index(ordered)
    return _shared(_key(ordered), lambda: BM25Index(ordered), cache_root)


def corpus_index(path: Path, cache_root: Path | None = None) -> BM25Index:
    """The index of a corpus on disk, shared by the node's processes if it is large.

    Unlike `search_index` it knows a corpus by names, sizes and times of its files, so that only
    the process that builds the index reads them.

    Args:
        path: A file or a folder, as `read_corpus` reads it.
        cache_root: As for `search_index`.

    Raises:
        InputError: The corpus cannot be read.
        ConfigError: Two documents share an id.
    """
    about = [(str(file.resolve()), file.stat()) for file in corpus_files(path)]
    if sum(stat.st_size for _, stat in about) < WORTH_SHARING_BYTES:
        return BM25Index(read_corpus(path))
    told = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in about]
    digest = hashlib.sha256(f"{LAYOUT} {version('bm25s')} {told}".encode("utf-8", "surrogatepass"))
    key = f"corpus-{digest.hexdigest()[:32]}"
    return _shared(key, lambda: BM25Index(read_corpus(path)), cache_root)


def _shared(key: str, build: Callable[[], BM25Index], cache_root: Path | None) -> BM25Index:
    root = (default_root() if cache_root is None else cache_root) / "indexes"
    for _ in range(_TRIES):
        try:
            folder = NodeCache(root).folder(key, lambda draft: write_index(build(), draft))
        except OSError:
            break  # A full disk, or a folder that is not this user's.
        try:
            return open_index(folder)
        except InputError:
            continue  # Another process made room just now.
    return build()


def _key(ordered: Sequence[Document]) -> str:
    digest = hashlib.sha256(f"{LAYOUT} {version('bm25s')}".encode())
    for document in ordered:
        for text in (document.id, document.title, document.text):
            content = text.encode("utf-8", "surrogatepass")
            # With lengths, so that no text can end where the next begins.
            digest.update(len(content).to_bytes(8, "little") + content)
    return f"bm25-{digest.hexdigest()[:32]}"
