"""What a person sees while attempts are made: a live panel on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reachgym.rollout.progress import FleetState, Progress

_LINE_EVERY_S = 20.0
# What counts as now: long enough that reports of a second apart give a steady rate.
_RECENT_S = 15.0


class RolloutView:
    """Shows the progress of a run of attempts; used as a context manager.

    Args:
        console: Where; what is no terminal gets a line now and then.
        clock: Tells the seconds by which lines are spaced.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._last = Progress(0, None, 0, 0.0)
        self._recent: deque[Progress] = deque()
        self._last_line_s = clock()
        self._live = Live(
            console=console,
            get_renderable=self._panel,
            refresh_per_second=4,
            auto_refresh=console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, progress: Progress) -> None:
        """Show a moment of the run."""
        self._last = progress
        self._recent.append(progress)
        while progress.elapsed_s - self._recent[0].elapsed_s > _RECENT_S and len(self._recent) > 2:
            self._recent.popleft()
        now_s = self._clock()
        if not self._console.is_terminal and now_s - self._last_line_s > _LINE_EVERY_S:
            self._last_line_s = now_s
            self._console.print(self._line(), highlight=False, soft_wrap=True)

    def numbers(self) -> dict[str, float]:
        """The same as numbers over time."""
        attempts_per_s, tokens_per_s = self._rates()
        last, fleet = self._last, self._last.fleet
        numbers = {
            "done": float(last.done),
            "failed": float(last.failed),
            "attempts_per_s": attempts_per_s,
            "tokens_per_s": tokens_per_s,
        }
        if fleet is not None:
            numbers |= {
                "in_flight": float(fleet.in_flight),
                "queue": float(fleet.queue),
                "deaths": float(fleet.deaths),
                "stale": float(fleet.stale),
            }
        return numbers

    def _rates(self) -> tuple[float, float]:
        """Attempts and tokens a second, of late."""
        if not self._recent:
            return 0.0, 0.0
        first, last = self._recent[0], self._last
        span_s = last.elapsed_s - first.elapsed_s
        if span_s <= 0:
            return last.rate, 0.0
        return (last.done - first.done) / span_s, (last.tokens - first.tokens) / span_s

    def _line(self) -> str:
        fleet = self._last.fleet
        parts = [f"attempts: {self._counts()}", self._pace()]
        if fleet is not None:
            parts += [_fleet(fleet), _failures(fleet)]
        return "; ".join(part for part in parts if part)

    def _panel(self) -> RenderableType:
        last = self._last
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text("attempts"),
            ProgressBar(total=last.total, completed=last.done, width=24, pulse=last.total is None),
            Text(self._counts()),
        )
        rows: list[RenderableType] = [bar, Text("  " + self._pace())]
        if last.fleet is not None:
            rows.append(Text("  " + _fleet(last.fleet)))
            if last.fleet.failures:
                rows.append(Text("  " + _failures(last.fleet), style="yellow"))
        return Group(*rows)

    def _counts(self) -> str:
        last = self._last
        if last.total is None:
            return f"{last.done:,} in {_clock(last.elapsed_s)}"
        left = "estimating time left" if last.eta_s is None else f"about {_clock(last.eta_s)} left"
        return f"{last.done:,} of {last.total:,} in {_clock(last.elapsed_s)}, {left}"

    def _pace(self) -> str:
        attempts_per_s, tokens_per_s = self._rates()
        tokens = f", {tokens_per_s:,.0f} tokens/s" if tokens_per_s else ""
        return f"{attempts_per_s:.1f} attempts/s{tokens}"


def _fleet(fleet: FleetState) -> str:
    starting = f" ({fleet.starting} starting)" if fleet.starting else ""
    parts = [
        f"{fleet.in_flight:,} in flight",
        f"{fleet.queue:,} waiting",
        f"{len(fleet.workers)} workers{starting}",
    ]
    if fleet.deaths:
        parts.append(f"{fleet.deaths} died")
    if fleet.version:
        parts.append(f"weights {fleet.version}")
    if fleet.stale:
        parts.append(f"{fleet.stale} made anew as too old")
    return ", ".join(parts)


def _failures(fleet: FleetState) -> str:
    """Failures by cause, the most frequent first."""
    by_count = sorted(fleet.failures.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{count:,} {kind}" for kind, count in by_count)
    return f"failed: {told}" if told else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:d}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:d}:{rest:02d}"
