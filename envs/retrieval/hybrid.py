"""Several indexes as one, by the ranks that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from reachgym.envs.retrieval.corpus import Hit, SearchIndex

_DEPTH = 100
_CONSTANT = 60


@dataclass(frozen=True, slots=True)
class HybridIndex:
    """Reciprocal rank fusion: a document's score is the sum of 1 / (60 + its rank) over indexes.

    Cormack, Clarke and Büttcher 2009. Scores of the indexes themselves are not looked at, so an
    index of words and one of embeddings go together. Each is asked for its 100 best, or `k` if
    that is more.

    Attributes:
        indexes: Of the same documents, by the same ids.
    """

    indexes: Sequence[SearchIndex]

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best documents, best first; ties by document id."""
        if k < 1:
            return []
        shares: dict[str, list[float]] = {}
        texts: dict[str, str] = {}
        for index in self.indexes:
            for rank, hit in enumerate(index.search(query, max(k, _DEPTH)), 1):
                shares.setdefault(hit.doc_id, []).append(1 / (_CONSTANT + rank))
                texts.setdefault(hit.doc_id, hit.text)
        scores = {name: fsum(own) for name, own in shares.items()}
        ranked = sorted(scores, key=lambda name: (-scores[name], name))
        return [Hit(name, scores[name], texts[name]) for name in ranked[:k]]
