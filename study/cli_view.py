"""`reachgym view`: a page over the trajectories of a run, served here or written as files."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reachgym.study.viewer.export import export_run
from reachgym.study.viewer.server import serve
from reachgym.study.viewer.tokens import token_texts
from reachgym.study.viewer.view import RunView


def run_view(
    run: Path, *, port: int, tokenizer: Path | None, export: Path | None, console: Console
) -> None:
    """Serve the page until the process is told to end, or write it to a folder.

    Raises:
        InputError: There is no store at or below the run's folder, the port cannot be had, the
            folder to write to is there already, or the tokenizer's folder holds none.
    """

    def tell(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    with RunView(run, token_texts(tokenizer)) as view:
        if export is None:
            serve(view, port, lambda url: tell(f"Showing {run} at {url} until you press Ctrl-C"))
            return
        count = export_run(view, export)
        tell(f"Wrote {count} episodes to {export}; open {export / 'index.html'} in a browser")
