"""Episodes of very different lengths: turns that come and go one by one, or batches that wait.

    python benchmarks/rollout_schedule.py

Turns of an episode, tokens of a turn and seconds of a tool call are log-normal; in the mean a tool
takes as long as the turn before it. A small transformer really generates every token, with one
thread; what its turns say is scripted, so that all ways play the same episodes. Beside each other
in every round: batches that wait for all of their turns and tools, the continuous engine, and the
same episodes with instant tools, which is what the model alone would take.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from reachgym.agents.protocol import (
    Completion,
    Conversation,
    Engine,
    FinishReason,
    Limits,
    Request,
)
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.registration import EnvRef, register
from reachgym.envs.tools.base import tool
from reachgym.envs.types import Budget, Message, Task, ToolCall, ToolSpec, Verdict
from reachgym.rollout.env_pool import EnvPool
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import Scheduler, run_attempts

ROWS = 32
# Episodes in flight: as many again are with their tools.
SLOTS = 3 * ROWS
MEAN_TURNS, MEAN_TOKENS, SIGMA = 4.0, 24.0, 0.9
MOST_TURNS, MOST_TOKENS, MOST_TOOL = 16, 160, 12.0
SHAPE = TinyConfig(hidden=192, layers=4, heads=6, mlp=512, max_positions=4096)
REF = EnvRef("bench/Skewed-v0")
PASSED = Verdict(1.0, True, "")


@dataclass(frozen=True, slots=True)
class Script:
    """One episode: tokens of every turn, and seconds of the tool call after all but the last."""

    tokens: tuple[int, ...]
    tool_s: tuple[float, ...]


class Unstopped(TerseRenderer):
    """Nothing that the model writes ends a turn; its length is scripted."""

    @property
    def stop_ids(self) -> frozenset[int]:
        return frozenset()

    def parse(self, ids: Sequence[int], turn: int) -> Message:
        return Message("assistant", "")


@tool
def wait(seconds: float) -> str:
    """Take a while.

    Args:
        seconds: How long.
    """
    time.sleep(seconds)
    return "done"


class ScriptedLengths:
    """A policy whose turns are as long as scripted and call the tool as scripted."""

    def __init__(self, policy: TransformersPolicy, scripts: Sequence[Script]) -> None:
        self.policy = policy
        self.scripts = scripts

    def act(
        self,
        conversations: Sequence[Conversation],
        tools: Sequence[Sequence[ToolSpec]],
        limits: Sequence[Limits],
        seeds: Sequence[int],
    ) -> list[Completion]:
        bounds = [Limits(action_tokens=self.script(c)[0]) for c in conversations]
        completions = self.policy.act(conversations, tools, bounds, seeds)
        return [self.said(*pair) for pair in zip(conversations, completions, strict=True)]

    def engine(self, wake: Callable[[], None]) -> Engine:
        return ScriptedEngine(self, self.policy.engine(wake))

    def script(self, conversation: Conversation) -> tuple[int, float | None]:
        """Tokens of the next turn, and the seconds of its tool call if it makes one."""
        script = self.scripts[int(conversation.opening[-1].content)]
        turn = len(conversation.exchanges)
        return script.tokens[turn], script.tool_s[turn] if turn < len(script.tool_s) else None

    def said(self, conversation: Conversation, completion: Completion) -> Completion:
        tokens, seconds = self.script(conversation)
        assert len(completion.sampled_ids) == tokens
        calls = () if seconds is None else (ToolCall("call_0", "wait", {"seconds": seconds}),)
        message = Message("assistant", "over", calls)
        return replace(completion, message=message, finish=FinishReason.STOP)


class ScriptedEngine:
    """The policy's own engine with scripted lengths."""

    def __init__(self, agent: ScriptedLengths, engine: Engine) -> None:
        self._agent, self._engine = agent, engine
        self._asked: dict[int, Conversation] = {}

    @property
    def idle(self) -> bool:
        return self._engine.idle

    def submit(self, ticket: int, request: Request) -> None:
        self._asked[ticket] = request.conversation
        tokens, _ = self._agent.script(request.conversation)
        self._engine.submit(ticket, replace(request, limits=Limits(action_tokens=tokens)))

    def step(self) -> list[tuple[int, Completion | Exception]]:
        return [
            (ticket, turn if isinstance(turn, Exception) else self._said(ticket, turn))
            for ticket, turn in self._engine.step()
        ]

    def forget(self, ticket: int) -> None:
        self._engine.forget(ticket)

    def close(self) -> None:
        self._engine.close()

    def _said(self, ticket: int, completion: Completion) -> Completion:
        return self._agent.said(self._asked.pop(ticket), completion)


def scripts(episodes: int, token_s: float, seed: int = 0) -> list[Script]:
    """Log-normal episodes; a tool takes in the mean as long as a turn at `token_s` a token."""
    rng = np.random.default_rng(seed)

    def lengths(mean: float, most: float, count: int) -> list[float]:
        drawn = rng.lognormal(np.log(mean) - SIGMA**2 / 2, SIGMA, count)
        return [float(value) for value in np.clip(drawn, 0, most)]

    made = []
    for turns in lengths(MEAN_TURNS, MOST_TURNS, episodes):
        count = max(1, round(turns))
        tokens = [max(1, round(n)) for n in lengths(MEAN_TOKENS, MOST_TOKENS, count)]
        tool = lengths(MEAN_TOKENS * token_s, MOST_TOOL * MEAN_TOKENS * token_s, count - 1)
        made.append(Script(tuple(tokens), tuple(tool)))
    return made


def attempts(count: int) -> list[Attempt]:
    """One attempt of every script; the prompt is its number."""
    return [Attempt(Task(f"s{n}", str(n), "-"), REF, n, "bench", Budget()) for n in range(count)]


def waiting_for_all(agent: ScriptedLengths) -> float:
    """Seconds with batches that begin and end together, every turn waiting for the slowest."""
    everything = attempts(len(agent.scripts))
    started_s = time.perf_counter()
    with EnvPool(capacity=ROWS) as pool:
        for start in range(0, len(everything), ROWS):
            scheduler = Scheduler(agent, slots=ROWS, pool=pool, lock_step=True)
            scheduler.add(everything[start : start + ROWS])
            while scheduler.unfinished:
                check(scheduler.round())
            scheduler.close()
    return time.perf_counter() - started_s


def continuous(agent: ScriptedLengths) -> float:
    """Seconds with turns that come and go."""
    started_s = time.perf_counter()
    check(list(run_attempts(agent, attempts(len(agent.scripts)), slots=SLOTS)))
    return time.perf_counter() - started_s


def check(played: Sequence[object]) -> None:
    for row in played:
        assert row.failure is None, row.failure


def token_seconds(policy: TransformersPolicy) -> float:
    """Seconds of a token in a full batch."""
    full = ScriptedLengths(policy, [Script((64,), ())] * (2 * ROWS))
    continuous(full)
    return continuous(full) / (2 * 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=384)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = build_tiny(SHAPE, Unstopped().vocab_size, seed=0)
    policy = TransformersPolicy(model, Unstopped(), max_batch=ROWS)
    tasks = [Task(f"s{number}", str(number), "-") for number in range(given.episodes)]
    register("bench/Skewed-v0", tasks=tasks, tools=[wait], verifier=lambda _: PASSED)
    token_s = token_seconds(policy)
    skewed = scripts(given.episodes, token_s)
    instant = [replace(script, tool_s=(0.0,) * len(script.tool_s)) for script in skewed]
    tool_s = sum(sum(script.tool_s) for script in skewed)
    print(
        f"{given.episodes} episodes, {sum(len(s.tokens) for s in skewed)} turns,"
        f" {sum(sum(s.tokens) for s in skewed)} tokens, {tool_s:.0f} s of tools;"
        f" {token_s * 1000:.1f} ms a token in a batch of {ROWS}"
    )
    agent, alone = ScriptedLengths(policy, skewed), ScriptedLengths(policy, instant)
    rows = []
    for number in range(given.rounds):
        waiting_s, flowing_s = waiting_for_all(agent), continuous(agent)
        model_s = continuous(alone)
        bound_s = max(model_s, tool_s / SLOTS)
        rows.append((waiting_s / flowing_s, bound_s / flowing_s))
        print(
            f"round {number}: waiting for all {given.episodes / waiting_s:.1f} episodes/s,"
            f" continuous {given.episodes / flowing_s:.1f} ({rows[-1][0]:.2f}x);"
            f" model alone {given.episodes / model_s:.1f}, tools alone"
            f" {given.episodes * SLOTS / tool_s:.1f}: {rows[-1][1]:.0%} of the bound"
        )
    ratio, share = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"median: {ratio:.2f}x (goal 3), {share:.0%} of the bound (goal 85 %)")


if __name__ == "__main__":
    main()
