"""The scripted world's place on the path, and trajectories to store."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reachgym.agents.protocol import Completion, TokenCounts
from reachgym.envs.types import Message, StopReason, ToolCall, ToolResult, Verdict
from reachgym.rollout.trajectory import (
    AttemptKey,
    Failure,
    Timings,
    Trajectory,
    Turn,
    Usage,
)

sys.path.insert(0, str(Path(__file__).parent / "worlds"))


@pytest.fixture
def trajectory() -> Callable[..., Trajectory]:
    """Makes a finished attempt with everything in it that is hard to store."""

    def make(
        seed: int = 0,
        *,
        policy: str = "base",
        version: int = 2,
        family: str = "lookup-2",
        failure: Failure | None = None,
        reward: float | None = 1.0,
    ) -> Trajectory:
        call = ToolCall(
            "c0", "search", {"query": "Zoë 🧪", "k": [1, 2.5, None], "deep": {"a": True}}
        )
        bad = ToolCall("c1", "", parse_error="expected ':' after the tool's letter")
        asked = Completion(
            Message("assistant", "thinking\n\x00", (call, bad), reasoning="First, Zoë."),
            prompt_ids=(1, 5, 6),
            sampled_ids=(7, 8),
            logprobs=(-0.1, -math.pi * 1e-9),
            policy_version=3,
            seconds=0.125,
        )
        results = (
            ToolResult("c0", "日本語", truncated=True, seconds=1e-4),
            ToolResult("c1", "", error=True),
        )
        replies = (
            Message("tool", "日本語", tool_call_id="c0"),
            Message("tool", "", tool_call_id="c1"),
        )
        return Trajectory(
            key=AttemptKey(f"{seed % 7:016x}", seed, policy, version),
            task_id=f"task-{seed % 7}",
            family=family,
            split="held_out",
            env='{"id": "reachgym/Lookup-v0"}',
            policy_version=3,
            opening=(Message("system", "be brief"), Message("user", "Grüße")),
            turns=(
                Turn(asked, results, replies),
                Turn(Completion(Message("assistant", "42"), counts=TokenCounts(90, 3)), reward=0.1),
            ),
            verdict=Verdict(reward, None if reward is None else reward == 1.0, "why", guess=True),
            stop_reason=StopReason.FAILED if failure else StopReason.ANSWERED,
            failure=failure,
            sandbox="namespaces" if failure is None else None,
            usage=Usage(2, 5, 93, 2, 1, 1),
            timings=Timings(0.125, 1e-4, 0.3),
        )

    return make
