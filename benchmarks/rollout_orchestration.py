"""Episodes of an instant policy: what the loop around model and tools costs by itself.

    python benchmarks/rollout_orchestration.py

Three turns each: two calls of a tool that returns at once, and an answer that is graded. One
process; figures are episodes per second of processor time, for the plain loop, the scheduler, and
the scheduler with its results encoded as rows, in rounds beside one another.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

from reachgym.agents.protocol import Completion, Conversation, Limits
from reachgym.envs.registration import EnvRef, make, register
from reachgym.envs.tools.base import tool
from reachgym.envs.types import Budget, Message, Task, ToolCall, ToolSpec
from reachgym.rollout.codec import encode
from reachgym.rollout.episode import Attempt, run_episode
from reachgym.rollout.scheduler import run_attempts
from reachgym.rollout.trajectory import Trajectory

SLOTS = 64
GOAL = 1000.0
REF = EnvRef("bench/Instant-v0")
TASKS = [Task(f"t{number}", f"What is {number} + 2?", str(number + 2)) for number in range(64)]


@tool
def add(x: int, y: int) -> int:
    """Add two numbers.

    Args:
        x: One.
        y: The other.
    """
    return x + y


class Instant:
    """Adds one twice, and answers with what came back."""

    def act(
        self,
        conversations: Sequence[Conversation],
        tools: Sequence[Sequence[ToolSpec]],
        limits: Sequence[Limits],
        seeds: Sequence[int],
    ) -> list[Completion]:
        return [Completion(self.turn(conversation)) for conversation in conversations]

    def turn(self, conversation: Conversation) -> Message:
        number = len(conversation.exchanges)
        last = conversation.messages[-1].content
        if number == 2:
            return Message("assistant", last)
        x = int(last.split()[2]) if number == 0 else int(last)
        return Message("assistant", "", (ToolCall(f"call_{number}", "add", {"x": x, "y": 1}),))


def attempts(count: int) -> list[Attempt]:
    return [
        Attempt(TASKS[number % len(TASKS)], REF, number, "instant", Budget())
        for number in range(count)
    ]


def check(played: Iterable[Trajectory], count: int) -> list[Trajectory]:
    kept = list(played)
    assert len(kept) == count
    assert all(row.verdict.passed and len(row.turns) == 3 for row in kept)
    return kept


def plain(count: int) -> None:
    env = make(REF)
    agent = Instant()
    check((run_episode(agent, env, attempt) for attempt in attempts(count)), count)


def scheduled(count: int) -> None:
    check(run_attempts(Instant(), attempts(count), slots=SLOTS), count)


def encoded(count: int) -> None:
    assert encode(check(run_attempts(Instant(), attempts(count), slots=SLOTS), count)).num_rows


def per_s(run: Callable[[int], None], count: int) -> float:
    started_s = time.process_time()
    run(count)
    return count / (time.process_time() - started_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--episodes", type=int, default=2000)
    given = parser.parse_args()
    register("bench/Instant-v0", tasks=TASKS, tools=[add])
    ways = {"plain loop": plain, "scheduler": scheduled, "scheduler and rows": encoded}
    for run in ways.values():
        run(200)
    rows: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, run in ways.items():
            rows[name].append(per_s(run, given.episodes))
    for name, figures in rows.items():
        median = statistics.median(figures)
        print(
            f"{name}: {median:,.0f} episodes/s of a core (from {min(figures):,.0f} to"
            f" {max(figures):,.0f}), {median / GOAL:.1f}x the goal of {GOAL:,.0f}"
        )


if __name__ == "__main__":
    main()
