"""One run of a fleet: attempts go out to the workers, finished ones come back, each once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sized

import pyarrow as pa
import pyarrow.compute as pc
import ray

from reachgym.envs.types import StopReason, Verdict
from reachgym.rollout.calls import KILLED, Call, fetch
from reachgym.rollout.codec import encode, keys_of
from reachgym.rollout.crew import LOOK_S, Crew
from reachgym.rollout.episode import Attempt
from reachgym.rollout.progress import FleetState, Progress
from reachgym.rollout.staleness import Staleness
from reachgym.rollout.trajectory import AttemptKey, Failure, Trajectory
from reachgym.rollout.workload import Workload


class Run:
    """Attempts on their way through a crew; workers are given more only as tables are taken."""

    def __init__(
        self,
        crew: Crew,
        attempts: Iterable[Attempt],
        *,
        number: int,
        most_held: int,
        staleness: Staleness,
    ) -> None:
        self._crew = crew
        self._number = number
        self._staleness = staleness
        self._work = Workload(attempts, workers=len(crew), most_held=most_held)
        self._total = len(attempts) if isinstance(attempts, Sized) else None
        self._calls: dict[Call, int] = {}
        # Workers that nothing is asked of.
        self._idle = set(range(len(crew)))
        # What the table that was yielded last was made of.
        self._yielded: dict[AttemptKey, Attempt] = {}
        self._started_s = time.monotonic()
        self._deaths_before = crew.deaths
        self._done = self._tokens = self._stale = 0
        self._failures: Counter[str] = Counter()

    def tables(self) -> Iterator[pa.Table]:
        """Finished attempts as rows of `codec.SCHEMA`, as they come."""
        try:
            while not self._work.finished:
                self._ask()
                for call in self._answered():
                    table = self._take(call)
                    if table is not None and table.num_rows:
                        self._count(table)
                        yield table
        finally:
            # Only a run that was left early has attempts in flight.
            for number in range(len(self._crew)):
                if self._work.holds(number):
                    self._crew.clear(number, self._number)

    def renew(self, key: AttemptKey) -> None:
        """Have an attempt of the last table made anew: it became stale before it was used."""
        self._work.again([self._yielded[key]])
        self._stale += 1
        self._done -= 1

    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(
            done=self._done,
            total=self._total,
            failed=self._failures.total(),
            elapsed_s=time.monotonic() - self._started_s,
            tokens=self._tokens,
            fleet=FleetState(
                workers=self._crew.states(self._work.held),
                queue=self._work.queue,
                deaths=self._crew.deaths - self._deaths_before,
                stale=self._stale,
                version=self._crew.published.version,
                failures=dict(self._failures),
            ),
        )

    def _ask(self) -> None:
        """Give every worker that waits something to do, if there is something."""
        for number in sorted(self._idle):
            call = self._crew.opening(number)
            if call is None:
                attempts, more = self._work.hand_out(number)
                if not self._work.holds(number):
                    continue
                call = self._crew.exchange(number, self._number, attempts, more)
            self._calls[call] = number
            self._idle.remove(number)

    def _answered(self) -> list[Call]:
        """Calls that are answered now, at least one unless nothing is heard for a while."""
        calls = [*self._calls, *self._crew.loads()]
        ready, others = ray.wait(calls, num_returns=1, timeout=LOOK_S)
        if not ready:
            self._crew.look()
        elif others:
            ready += ray.wait(others, num_returns=len(others), timeout=0)[0]
        return list(ready)

    def _take(self, call: Call) -> pa.Table | None:
        number = self._calls.pop(call, None)
        if number is None:
            self._crew.loaded(call)
            return None
        self._idle.add(number)
        try:
            if call == self._crew.opening(number):
                self._crew.opened(number, fetch(call))
                return None
            played = fetch(call)
        except KILLED as error:
            self._crew.replace(number, error)
            return encode(_given_up(attempt, error) for attempt in self._work.lose(number))
        self._crew.exchanged(number, played)
        return self._fresh(number, played.rows)

    def _fresh(self, number: int, rows: pa.Table) -> pa.Table:
        """The rows that may be handed out; the others are made anew."""
        fresh, stale = self._staleness.split(rows, self._crew.published.version)
        again = self._work.settle(number, stale)
        self._work.again(again)
        self._stale += len(again)
        settled = self._work.settle(number, keys_of(fresh))
        self._yielded = {attempt.key: attempt for attempt in settled}
        return fresh

    def _count(self, table: pa.Table) -> None:
        self._done += table.num_rows
        self._tokens += pc.sum(table["action_tokens"]).as_py() or 0
        self._failures.update(kind for kind in table["failure_kind"].to_pylist() if kind)


def _given_up(attempt: Attempt, error: BaseException) -> Trajectory:
    """The record of an attempt that killed every worker that played it."""
    kind = type(error).__name__
    return Trajectory(
        key=attempt.key,
        task_id=attempt.task.id,
        family=attempt.task.family,
        split=attempt.task.split,
        env=attempt.env.text,
        policy_version=0,
        opening=(),
        turns=(),
        verdict=Verdict(None, None, f"{kind}: every worker that played it died"),
        stop_reason=StopReason.FAILED,
        failure=Failure(kind, f"every worker that played it died; the last: {error}"),
    )
