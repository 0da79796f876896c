"""One search index a node and corpus, which every process maps into its memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import bm25s

from reachgym.envs.retrieval.bm25 import BM25Index, Scores, build_scores
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.node_cache import NodeCache, default_root

# Building takes a fifth of a second from here on. Opening takes a tenth of building at 1,000
# documents of thirty words already, but nobody waits for some milliseconds.
WORTH_SHARING = 10_000
_LAYOUT = 1
_TRIES = 3


def search_index(documents: Iterable[Document], cache_root: Path | None = None) -> BM25Index:
    """A BM25 index, shared by the node's processes if the corpus is large.

    What is shared are the scores and the vocabulary, keyed by the documents' content and by the
    version of bm25s; searches find the same as with `BM25Index(documents)`. Where the cache cannot
    be used (see `NodeCache`) the index is built in memory.

    Args:
        documents: The corpus.
        cache_root: Where to keep it; by default where `node_cache.default_root` says.

    Raises:
        ConfigError: Two documents share an id.
    """
    corpus = list(documents)
    if len(corpus) < WORTH_SHARING:
        return BM25Index(corpus)
    root = (default_root() if cache_root is None else cache_root) / "indexes"
    return BM25Index(corpus, lambda ordered: _shared_scores(ordered, root))


def _shared_scores(ordered: Sequence[Document], root: Path) -> Scores:
    key = _key(ordered)
    for _ in range(_TRIES):
        try:
            return _load(NodeCache(root).folder(key, lambda draft: _save(ordered, draft)))
        except FileNotFoundError:
            continue  # Another process made room just now.
        except OSError:
            break  # A full disk, or a folder that is not this user's.
    return build_scores(ordered)


def _save(ordered: Sequence[Document], folder: Path) -> None:
    build_scores(ordered).scorer.save(folder, show_progress=False)


def _load(folder: Path) -> Scores:
    scorer = bm25s.BM25.load(folder, mmap=True, load_vocab=True, show_progress=False)
    return Scores(scorer.vocab_dict, scorer)


def _key(ordered: Sequence[Document]) -> str:
    digest = hashlib.sha256(f"{_LAYOUT} {bm25s.__version__}".encode())
    for document in ordered:
        for text in (document.id, document.title, document.text):
            content = text.encode("utf-8", "surrogatepass")
            # With lengths, so that no text can end where the next begins.
            digest.update(len(content).to_bytes(8, "little") + content)
    return f"bm25-{digest.hexdigest()[:32]}"
