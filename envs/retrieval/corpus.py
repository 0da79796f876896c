"""Documents to be found, and what a search index offers over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Document:
    """One document; the title weighs more than the text when it is searched."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One found document, with the index's score for it (higher is better)."""

    doc_id: str
    score: float
    text: str


class SearchIndex(Protocol):
    """Anything that ranks documents for a query."""

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best documents with a positive score, best first; ties by document id."""
        ...
