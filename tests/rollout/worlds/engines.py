"""Agents with engines of their own: one computes in steps, one answers from threads, one breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from echo_world import SeededAgent

from reachgym.agents.protocol import Completion, Request


class SteppingAgent(SeededAgent):
    """Takes 1 to 7 steps for a turn, some turns at a time; counts what runs in every step."""

    def __init__(self, tool_name: str = "echo", step_s: float = 0.0, most: int = 99) -> None:
        super().__init__(tool_name)
        self.most = most
        self.step_s = step_s
        self.rows: list[int] = []
        self.forgotten: list[int] = []
        self.engines = 0

    def engine(self, wake: Callable[[], None]) -> SteppingEngine:
        self.engines += 1
        return SteppingEngine(self)


class SteppingEngine:
    """Each step brings every turn one step further."""

    def __init__(self, agent: SteppingAgent) -> None:
        self._agent = agent
        self._left: dict[int, list] = {}

    @property
    def idle(self) -> bool:
        return not self._left

    def submit(self, ticket: int, request: Request) -> None:
        assert ticket not in self._left
        self._left[ticket] = [1 + request.seed % 7, request]

    def step(self) -> list[tuple[int, Completion | Exception]]:
        running = list(self._left.items())[: self._agent.most]
        self._agent.rows.append(len(running))
        time.sleep(self._agent.step_s)
        done = []
        for ticket, turn in running:
            turn[0] -= 1
            if turn[0] == 0:
                del self._left[ticket]
                done.append((ticket, act_alone(self._agent, turn[1])))
        return done

    def forget(self, ticket: int) -> None:
        self._agent.forgotten.append(ticket)
        self._left.pop(ticket, None)

    def close(self) -> None:
        self._left.clear()


class RemoteAgent(SeededAgent):
    """Answers each turn from a thread of its own, after some milliseconds."""

    def engine(self, wake: Callable[[], None]) -> RemoteEngine:
        return RemoteEngine(self, wake)


class RemoteEngine:
    """Nothing is ever computed in `step`."""

    def __init__(self, agent: RemoteAgent, wake: Callable[[], None]) -> None:
        self._agent, self._wake = agent, wake
        self._lock = threading.Lock()
        self._done: list[tuple[int, Completion | Exception]] = []

    @property
    def idle(self) -> bool:
        return not self._done

    def submit(self, ticket: int, request: Request) -> None:
        threading.Timer(0.001 * (request.seed % 9), self._answer, (ticket, request)).start()

    def step(self) -> list[tuple[int, Completion | Exception]]:
        with self._lock:
            done, self._done = self._done, []
        return done

    def forget(self, ticket: int) -> None:
        pass

    def close(self) -> None:
        pass

    def _answer(self, ticket: int, request: Request) -> None:
        with self._lock:
            self._done.append((ticket, act_alone(self._agent, request)))
        self._wake()


class BreakingAgent(SteppingAgent):
    """Its first engine runs out of memory in its third step."""

    def engine(self, wake: Callable[[], None]) -> SteppingEngine:
        super().engine(wake)
        return SteppingEngine(self) if self.engines > 1 else BreakingEngine(self)


class BreakingEngine(SteppingEngine):
    def step(self) -> list[tuple[int, Completion | Exception]]:
        if len(self._agent.rows) == 2:
            raise RuntimeError("out of memory")
        return super().step()


def act_alone(agent: SeededAgent, request: Request) -> Completion:
    (completion,) = agent.act(
        [request.conversation], [request.tools], [request.limits], [request.seed]
    )
    return completion


def slots_taken(rows: Sequence[int], slots: int) -> float:
    """How full the engine was, from 0 to 1."""
    return sum(rows) / (slots * len(rows))
