"""BM25 over documents, by bm25s' scores: whole words, case kept, titles above texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.corpus import Document, Hit
from reachgym.envs.retrieval.ranking import Postings, with_rows

_WORD = re.compile(r"\w+")
# A document's text may name what another document's title is about; a word in the title must
# weigh more than the same word in a text, or questions find the documents that mention them.
_TITLE_WEIGHT = 2


@dataclass(frozen=True, slots=True)
class Scores:
    """What is computed of a corpus once.

    Attributes:
        number: Of a word, among the postings; None for a word that no document has.
        postings: The score of every word in every document.
        vocabulary: All words in the order of their numbers.
    """

    number: Callable[[str], int | None]
    postings: Postings
    vocabulary: Sequence[str]


class BM25Index:
    """A BM25 index; without documents it finds nothing.

    Lucene's variant with k1 = 1.5 and b = 0.75, without stemming or stopwords. Scores are computed
    when the index is built, by bm25s (Lù 2024, arXiv 2407.03618); a search only adds them up.
    """

    def __init__(self, documents: Iterable[Document], scores: Scores | None = None) -> None:
        """Index `documents`.

        Args:
            documents: What is to be found.
            scores: Theirs, where they are known; the documents are then a sequence ordered by id.

        Raises:
            ConfigError: Two documents share an id.
        """
        if scores is not None and isinstance(documents, Sequence):
            self._documents: Sequence[Document] = documents
            self._scores = scores
        else:
            self._documents = ordered_by_id(documents)
            self._scores = build_scores(self._documents)

    @property
    def documents(self) -> Sequence[Document]:
        """What can be found, ordered by id."""
        return self._documents

    @property
    def scores(self) -> Scores:
        """What was computed of the documents."""
        return self._scores

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best documents with a positive score, best first; ties by document id."""
        numbers = [self._scores.number(word) for word in words(query)]
        known = [number for number in numbers if number is not None]
        if not known or k < 1:
            return []
        found, scores = self._scores.postings.best(known, k)
        return [
            Hit(document.id, score, document.text)
            for document, score in zip(
                (self._documents[i] for i in found.tolist()), scores.tolist(), strict=True
            )
        ]


def ordered_by_id(documents: Iterable[Document]) -> list[Document]:
    """The documents by id, so that a document's position breaks ties as its id would.

    Raises:
        ConfigError: Two documents share an id.
    """
    ordered = sorted(documents, key=lambda document: document.id)
    for first, second in pairwise(ordered):
        if first.id == second.id:
            raise ConfigError(
                f"document ids must be distinct, got {first.id!r} twice; rename one of them"
            )
    return ordered


def build_scores(ordered: Sequence[Document]) -> Scores:
    """The scores of documents that are ordered by id."""
    vocabulary: dict[str, int] = {}
    corpus = [
        [vocabulary.setdefault(word, len(vocabulary)) for word in _words_of(document)]
        for document in ordered
    ]
    return Scores(vocabulary.get, _postings(corpus, vocabulary), list(vocabulary))


def _postings(corpus: list[list[int]], vocabulary: dict[str, int]) -> Postings:
    if not vocabulary:
        nothing = np.empty(0, np.float32)
        return with_rows(nothing, np.empty(0, np.int32), np.zeros(1, np.int64), 0)
    # Here, since its import takes longer than opening an index.
    import bm25s

    scorer = bm25s.BM25(method="lucene")
    scorer.index((corpus, vocabulary), show_progress=False)
    of = scorer.scores
    return with_rows(of["data"], of["indices"], of["indptr"], len(corpus))


def _words_of(document: Document) -> list[str]:
    return words(document.title) * _TITLE_WEIGHT + words(document.text)


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, as they are written."""
    return _WORD.findall(text)
