"""The leaderboard as a terminal, Markdown, CSV and a page show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from reachgym.envs.errors import ConfigError
from reachgym.study.bench import tables
from reachgym.study.bench.results import BenchResults
from reachgym.study.folder import write_atomically
from reachgym.study.report.table import Cell, Table
from reachgym.study.report.template import style, template
from reachgym.study.report.text import number, visible
from reachgym.study.results.records import Interval

BEGIN, END = "<!-- leaderboard -->", "<!-- /leaderboard -->"
_MOST_LACKING = 8
_MARKUP = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>|#"})


def write_all(results: BenchResults, folder: Path) -> None:
    """Write `leaderboard.md`, `leaderboard.csv`, `comparisons.csv` and `leaderboard.html`."""
    write_atomically(folder / "leaderboard.md", markdown(results))
    write_atomically(folder / "leaderboard.csv", _long(results).csv())
    write_atomically(folder / "comparisons.csv", tables.comparisons(results).csv())
    write_atomically(folder / "leaderboard.html", page(results))


def show(results: BenchResults, console: Console) -> None:
    """Print the leaderboard, and which agents differ."""
    board = tables.leaderboard(results)
    best = _best(board)
    names = (visible(name) for name in board.columns)
    shown = TerminalTable(*names, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for place, row in enumerate(board.rows):
        texts = (
            Text(_narrow(value), style="bold" if (place, column) in best else "")
            for column, value in enumerate(row)
        )
        shown.add_row(*texts)
    console.print(shown)
    for line in _about(results):
        console.print(line, markup=False, highlight=False)


def markdown(results: BenchResults) -> str:
    """The leaderboard, the best of each column in bold, and what differs."""
    board = tables.leaderboard(results)
    best = _best(board)

    def text(place: int, column: int, value: Cell) -> str:
        shown = _plain(value).translate(_MARKUP)
        return f"**{shown}**" if (place, column) in best else shown

    lines = [_rows_of(board, text), "", *(f"{line.translate(_MARKUP)}" for line in _about(results))]
    return "\n".join(lines) + "\n"


def page(results: BenchResults) -> str:
    """Everything as a page that stands alone."""
    board = tables.leaderboard(results)
    return template("bench.html.j2").render(
        results=results,
        style=style(),
        board=board,
        best=_best(board),
        about=_about(results),
        comparisons=tables.comparisons(results),
        others=[
            table
            for table in (
                tables.repeated(results),
                tables.usage(results),
                tables.truncations(results),
                tables.failures(results),
            )
            if table.rows
        ],
    )


def put_into(path: Path, results: BenchResults) -> None:
    """Put the leaderboard as Markdown between the two marks in a file.

    Raises:
        ConfigError: The file cannot be read, or has not both marks, each once.
    """
    text = _with_marks(path)
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    write_atomically(path, f"{before}{BEGIN}\n{markdown(results)}{END}{after}")


def check_marks(path: Path) -> None:
    """Whether a leaderboard can be put into a file.

    Raises:
        ConfigError: It cannot be read, or has not both marks, each once.
    """
    _with_marks(path)


def _with_marks(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--into cannot read {path} ({error})") from None
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigError(
            f"--into expects the lines {BEGIN} and {END} once each in {path}, in this order; put "
            "them where the leaderboard shall be"
        )
    return text


def _about(results: BenchResults) -> list[str]:
    """What must be said beside the numbers."""
    lines = []
    if results.limit is not None:
        lines.append(
            f"A smoke run: at most {results.limit} tasks of an environment, one attempt at each."
        )
    percent = f"{100 * (1 - results.alpha):g} %"
    lines.append(
        f"Success as a mean over tasks, with {percent} intervals; all agents had the same tasks "
        f"and seeds: {_range([suite.tasks for suite in results.suites])} tasks of an environment, "
        f"attempts at each: {_range([suite.attempts for suite in results.suites])}."
    )
    lacking = tables.incomplete(results)
    if lacking:
        more = f"; and {len(lacking) - _MOST_LACKING} more" if len(lacking) > _MOST_LACKING else ""
        lines.append(
            f"Incomplete, which counts neither way: {'; '.join(lacking[:_MOST_LACKING])}{more}. "
            "Run it again to make these attempts."
        )
    told = [found for found in results.comparisons if found.decision != "not told apart"]
    if results.comparisons:
        lines.append(
            f"Of {len(results.comparisons)} comparisons of two agents, {len(told)} tell them apart "
            f"(error of any at most {results.alpha:g}, Holm)."
        )
    return lines


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _long(results: BenchResults) -> Table:
    """One row an agent and suite, with every measure."""
    taken = tables.usage(results)
    cells = {(cell.agent, cell.suite): cell for cell in results.cells}
    ks = sorted({point.k for cell in results.cells for point in cell.at_k})
    names = [name for k in ks for name in (f"pass@{k}", f"pass^{k}")]
    rows = []
    for row in taken.rows:
        cell = cells[str(row[0]), str(row[1])]
        at = {point.k: (point.some, point.every) for point in cell.at_k}
        repeated = [value for k in ks for value in at.get(k, (None, None))]
        rows.append((*row[:2], cell.success, *repeated, *row[2:]))
    return Table("Leaderboard", (*taken.columns[:2], "success", *names, *taken.columns[2:]), rows)


def _best(board: Table) -> set[tuple[int, int]]:
    """Places of the best value of every column, unless all are the same."""
    best = set()
    for column in range(1, len(board.columns)):
        values = [_value(row[column]) for row in board.rows]
        if len(set(values)) > 1:
            best |= {(place, column) for place, v in enumerate(values) if v == max(values)}
    return best


def _value(cell: Cell) -> float:
    if isinstance(cell, Interval):
        return cell.estimate
    return -1.0 if cell is None else float(cell)


def _narrow(cell: Cell) -> str:
    """As `_plain`, with the bounds on a line of their own."""
    if isinstance(cell, Interval):
        return f"{cell.estimate:.3f}\n{cell.low:.2f}-{cell.high:.2f}"
    return _plain(cell)


def _plain(cell: Cell) -> str:
    if isinstance(cell, Interval) or cell is None:
        return tables.in_words(cell)
    return visible(cell) if isinstance(cell, str) else number(cell)


def _rows_of(table: Table, text: Callable[[int, int, Cell], str]) -> str:
    head = "| " + " | ".join(visible(name).translate(_MARKUP) for name in table.columns) + " |"
    line = "|" + " --- |" * len(table.columns)
    rows = (
        "| " + " | ".join(text(place, column, value) for column, value in enumerate(row)) + " |"
        for place, row in enumerate(table.rows)
    )
    return "\n".join((head, line, *rows))
