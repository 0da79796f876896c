"""`reachgym search-server`: an index or a corpus, served to workers on many machines."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reachgym.envs.retrieval.corpus import SearchIndex
from reachgym.envs.retrieval.dense import KIND as DENSE
from reachgym.envs.retrieval.dense import DenseIndex
from reachgym.envs.retrieval.search_server import serve
from reachgym.envs.retrieval.shared import corpus_index
from reachgym.envs.retrieval.stored import kind_of, open_index


def run_search_server(source: Path, host: str, port: int, console: Console) -> None:
    """Serve until the process is told to end, and say where.

    Raises:
        InputError: There is no index and no corpus, or the port cannot be had.
    """

    def ready(url: str) -> None:
        console.print(f"Serving {source} at {url}", markup=False, highlight=False, soft_wrap=True)

    serve(_index(source), host, port, ready)


def _index(source: Path) -> SearchIndex:
    kind = kind_of(source)
    if kind is None:
        return corpus_index(source)
    return DenseIndex.open(source) if kind == DENSE else open_index(source)
