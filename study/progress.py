"""What a person sees while a study runs: bars on a terminal, lines in a log, time left in both."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

_LINE_EVERY_S = 20.0
_SMOOTHING_S = 45.0


class StudyProgress:
    """Progress of jobs whose expected costs are known; safe to call from every lane.

    The time left is the cost that remains over the recent rate at which cost was worked off, so
    it follows the machine rather than a guess made beforehand.
    """

    def __init__(self, costs: Mapping[str, float], console: Console) -> None:
        self._costs = dict(costs)
        self._fractions = dict.fromkeys(costs, 0.0)
        self._console = console
        self._lock = threading.RLock()
        self._started = self._marked = self._last_line = time.monotonic()
        self._worked_at_mark = 0.0
        self._rate = 0.0
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._total = self._progress.add_task("the whole study", total=1.0, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(self, job: str, fraction: float, note: str = "") -> None:
        """Say that `fraction` in [0, 1] of a job is done."""
        with self._lock:
            self._fractions[job] = min(max(fraction, self._fractions[job]), 1.0)
            self._draw(job, note)

    def finish(self, job: str, note: str) -> None:
        """Say that a job is done, in a line that stays."""
        with self._lock:
            self._fractions[job] = 1.0
            if job in self._bars:
                self._progress.remove_task(self._bars.pop(job))
            elapsed = _clock(time.monotonic() - self._started)
            self._console.print(f"{elapsed}  {job:<34} {note}", highlight=False)
            self._draw(None, "")

    def remaining_s(self) -> float | None:
        """Seconds left, or None while nothing has been worked off."""
        left = sum(self._costs.values()) - self._worked()
        return left / self._rate if self._rate > 0 else None

    def _worked(self) -> float:
        return sum(self._costs[job] * self._fractions[job] for job in self._costs)

    def _measure_rate(self, now: float) -> None:
        span = now - self._marked
        if span < 1.0:
            return
        worked = self._worked()
        rate = (worked - self._worked_at_mark) / span
        keep = 0.0 if self._rate == 0 else max(0.0, 1 - span / _SMOOTHING_S)
        self._rate = keep * self._rate + (1 - keep) * rate
        self._marked, self._worked_at_mark = now, worked

    def _draw(self, job: str | None, note: str) -> None:
        now = time.monotonic()
        self._measure_rate(now)
        left = self.remaining_s()
        left_text = f"about {_clock(left)} left" if left is not None else "estimating time left"
        share = self._worked() / max(sum(self._costs.values()), 1e-9)
        self._progress.update(self._total, completed=share, note=left_text)
        if job is not None:
            if job not in self._bars:
                self._bars[job] = self._progress.add_task(job, total=1.0, note="")
            self._progress.update(self._bars[job], completed=self._fractions[job], note=note)
        if not self._console.is_terminal and now - self._last_line > _LINE_EVERY_S:
            self._last_line = now
            running = f"  {job} {note}" if job else ""
            elapsed = _clock(now - self._started)
            self._console.print(f"{elapsed}  {share:4.0%}, {left_text}{running}", highlight=False)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:d}:{rest:02d}"
