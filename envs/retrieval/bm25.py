"""BM25 over documents, by bm25s: whole words, case kept, titles above texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import bm25s
import numpy as np
import numpy.typing as npt

from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.corpus import Document, Hit

_WORD = re.compile(r"\w+")
# A document's text may name what another document's title is about; a word in the title must
# weigh more than the same word in a text, or questions find the documents that mention them.
_TITLE_WEIGHT = 2


@dataclass(frozen=True, slots=True)
class Scores:
    """What is computed of a corpus once.

    Attributes:
        vocabulary: Position of every word.
        scorer: The score of every word in every document, positions as the documents are ordered.
    """

    vocabulary: Mapping[str, int]
    scorer: bm25s.BM25


def build_scores(ordered: Sequence[Document]) -> Scores:
    """The scores of documents that are ordered by id."""
    vocabulary: dict[str, int] = {}
    corpus = [
        [vocabulary.setdefault(word, len(vocabulary)) for word in _words_of(document)]
        for document in ordered
    ]
    scorer = bm25s.BM25(method="lucene")
    if vocabulary:
        scorer.index((corpus, vocabulary), show_progress=False)
    return Scores(vocabulary, scorer)


class BM25Index:
    """A BM25 index over documents held in memory; without documents it finds nothing.

    Lucene's variant with k1 = 1.5 and b = 0.75, without stemming or stopwords. Scores are computed
    when the index is built, by bm25s (Lù 2024, arXiv 2407.03618); a search only adds them up.
    """

    def __init__(
        self,
        documents: Iterable[Document],
        scores: Callable[[Sequence[Document]], Scores] = build_scores,
    ) -> None:
        """Index `documents`.

        Args:
            documents: What is to be found.
            scores: Gives the scores of the documents, ordered by id.

        Raises:
            ConfigError: Two documents share an id.
        """
        # Sorted, so that the position of a document breaks ties as its id would.
        self._documents = sorted(documents, key=lambda document: document.id)
        _require_distinct(self._documents)
        self._scores = scores(self._documents)

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best documents with a positive score, best first; ties by document id."""
        vocabulary = self._scores.vocabulary
        ids = [vocabulary[word] for word in words(query) if word in vocabulary]
        if not ids or k < 1:
            return []
        # bm25s' own `retrieve` takes twice as long for one query and leaves ties in any order.
        scores: npt.NDArray[np.float32] = self._scores.scorer.get_scores_from_ids(ids)
        return [
            Hit(self._documents[i].id, float(scores[i]), self._documents[i].text)
            for i in _best(scores, k)
        ]


def _words_of(document: Document) -> list[str]:
    return words(document.title) * _TITLE_WEIGHT + words(document.text)


def _best(scores: npt.NDArray[np.float32], k: int) -> list[int]:
    """Positions of the `k` largest positive scores, at most; equal scores by position."""
    found = np.flatnonzero(scores > 0)
    if len(found) > k:
        # Every tie of the k-th score stays in, so that the stable sort below can order them.
        found = found[scores[found] >= np.partition(scores[found], -k)[-k]]
    order = np.argsort(-scores[found], kind="stable")[:k]
    return [int(i) for i in found[order]]


def _require_distinct(documents: Sequence[Document]) -> None:
    for first, second in pairwise(documents):
        if first.id == second.id:
            raise ConfigError(
                f"document ids must be distinct, got {first.id!r} twice; rename one of them"
            )


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, as they are written."""
    return _WORD.findall(text)
