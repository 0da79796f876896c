"""Dense retrieval: documents near a query by their embeddings (sentence-transformers and FAISS)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reachgym.envs.errors import ConfigError, InputError
from reachgym.envs.retrieval.bm25 import ordered_by_id
from reachgym.envs.retrieval.corpus import Document, Hit
from reachgym.envs.retrieval.stored import (
    ABOUT,
    StoredDocuments,
    empty_folder,
    require_kind,
    write_documents,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

KIND = "dense"
_LAYOUT = 1
_VECTORS = "vectors.faiss"
_NEEDED = "dense retrieval needs packages that are not here: pip install 'reachgym[dense]'"


class DenseIndex:
    """Documents whose embeddings have the largest inner products with the query's.

    Embeddings have length 1, so scores are cosines; every document is compared (FAISS's flat
    index), so hits are exact. Documents with a cosine of 0 or less are not found.
    """

    def __init__(self, documents: Iterable[Document], model: str, device: str = "cpu") -> None:
        """Embed `documents`.

        Args:
            documents: What is to be found; title and text are embedded as one.
            model: A folder with a model of sentence-transformers, or its name on the hub.
            device: Where the model runs, as PyTorch names it; searches run on the CPU.

        Raises:
            ConfigError: Two documents share an id, the extra `dense` is not installed, or there is
                no such model.
        """
        faiss = _faiss()  # Before anything takes long.
        self._documents: Sequence[Document] = ordered_by_id(documents)
        self._encoder = encoder(model, device)
        texts = [f"{one.title}\n{one.text}".strip() for one in self._documents]
        vectors = self._encoder.documents(texts)
        self._vectors = faiss.IndexFlatIP(vectors.shape[1])
        self._vectors.add(vectors)

    @classmethod
    def open(cls, folder: Path, device: str = "cpu") -> DenseIndex:
        """The index of a folder, its documents and vectors mapped.

        Raises:
            InputError: The folder holds no dense index, or a damaged one.
            ConfigError: The extra `dense` is not installed, or its model is gone.
        """
        about = require_kind(folder, KIND, _LAYOUT)
        faiss = _faiss()
        index = cls.__new__(cls)
        index._encoder = encoder(str(about.get("model")), device)
        try:
            index._documents = StoredDocuments(folder)
            index._vectors = faiss.read_index(str(folder / _VECTORS), faiss.IO_FLAG_MMAP_IFC)
        except (OSError, ValueError, RuntimeError) as error:
            said = str(error).partition("\n")[0]
            raise InputError(f"{folder}: the index is damaged: {said}; build it again") from None
        return index

    def save(self, folder: Path) -> None:
        """Write the index into a folder, from which `open` maps it.

        Raises:
            InputError: The folder holds something already, or cannot be written.
        """
        with empty_folder(folder):
            write_documents(self._documents, folder)
            _faiss().write_index(self._vectors, str(folder / _VECTORS))
            about = {"kind": KIND, "layout": _LAYOUT, "model": self._encoder.model}
            # Last, since it says that all is there.
            (folder / ABOUT).write_text(json.dumps(about))

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best documents with a positive cosine, best first; ties by document id."""
        count = min(k, len(self._documents))
        if count < 1:
            return []
        vector = self._encoder.query(query)
        scores, found = self._vectors.search(vector, count)
        # All that are as good as the last one, since FAISS leaves ties in any order.
        least = max(0.0, float(np.nextafter(scores[0, -1], np.float32(-2))))
        _, scores, found = self._vectors.range_search(vector, least)
        order = np.lexsort((found, -scores))[:k]
        documents = [self._documents[i] for i in found[order].tolist()]
        return [
            Hit(document.id, score, document.text)
            for document, score in zip(documents, scores[order].tolist(), strict=True)
        ]


class Encoder:
    """A model that embeds, one text or batch at a time: its tokenizer is not made for threads."""

    def __init__(self, model: str, transformer: SentenceTransformer) -> None:
        self.model = model
        self._transformer = transformer
        self._lock = threading.Lock()

    def documents(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embeddings of texts, a row each; equal texts have equal ones."""
        rows = {text: row for row, text in enumerate(dict.fromkeys(map(_clean, texts)))}
        with self._lock:
            # A text in any case, which tells the size.
            embedded = self._transformer.encode_document(list(rows) or [""], **_ASKED)
        chosen: npt.NDArray[np.float32] = embedded[[rows[_clean(text)] for text in texts]]
        return chosen

    def query(self, text: str) -> npt.NDArray[np.float32]:
        """The embedding of a query, as the only row."""
        with self._lock:
            embedded: npt.NDArray[np.float32] = self._transformer.encode_query(
                [_clean(text)], **_ASKED
            )
        return embedded


_ASKED: dict[str, Any] = {"normalize_embeddings": True, "show_progress_bar": False}


@lru_cache(maxsize=2)
def encoder(model: str, device: str) -> Encoder:
    """The model of a folder or a name; loaded once a process.

    Raises:
        ConfigError: The extra `dense` is not installed, or there is no such model.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigError(f"{_NEEDED} ({error})") from None
    try:
        return Encoder(model, SentenceTransformer(model, device=device))
    except (OSError, ValueError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise ConfigError(
            f"{model!r} cannot be loaded as a model of sentence-transformers: {said}; give a folder"
            " that holds one"
        ) from None


def _faiss() -> Any:  # noqa: ANN401 - it has no types
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(f"{_NEEDED} ({error})") from None
    return faiss


def _clean(text: str) -> str:
    """The text without lone surrogates, which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")
