"""`reachgym search-server`: an index or a corpus, served to workers on many machines."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reachgym.envs.retrieval.corpus import SearchIndex
from reachgym.envs.retrieval.search_server import serve
from reachgym.envs.retrieval.shared import corpus_index
from reachgym.envs.retrieval.stored import is_index, open_index


def run_search_server(source: Path, host: str, port: int, console: Console) -> None:
    """Serve until the process is told to end, and say where.

    Raises:
        InputError: There is no index and no corpus, or the port cannot be had.
    """
    index: SearchIndex = open_index(source) if is_index(source) else corpus_index(source)

    def ready(url: str) -> None:
        console.print(f"Serving {source} at {url}", markup=False, highlight=False, soft_wrap=True)

    serve(index, host, port, ready)
