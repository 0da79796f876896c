"""From episodes to what learners learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reachgym.agents.renderers.protocol import Renderer
from reachgym.envs.types import Message, Task, ToolSpec
from reachgym.learners.batch import Sample
from reachgym.rollout.trajectory import Trajectory


def sample_of_attempt(trajectory: Trajectory) -> Sample:
    """A policy's own episode: weight 1 on sampled ids, 0 on what the environment wrote."""
    tokens = trajectory.tokens()
    logprobs = np.zeros(tokens.ids.shape, np.float32)
    logprobs[tokens.mask] = trajectory.logprobs()
    return Sample(
        ids=tokens.ids,
        weights=tokens.mask.astype(np.float32),
        logprobs=logprobs,
        reward=trajectory.verdict.reward or 0.0,
        group=trajectory.key.task_hash,
    )


def scored(trajectories: Iterable[Trajectory]) -> list[Trajectory]:
    """The attempts with a verdict; a failure of the infrastructure teaches nothing."""
    return [t for t in trajectories if t.verdict.reward is not None]


def sample_of_answer(
    renderer: Renderer, opening: Sequence[Message], tools: Sequence[ToolSpec], task: Task
) -> Sample:
    """A demonstration that gives the gold answer at once."""
    prompt = renderer.open(opening, tools)
    answer = renderer.encode(Message("assistant", task.gold))
    return _sample([(prompt, 0.0), (answer, 1.0)])


def sample_of_trace(
    renderer: Renderer, trajectory: Trajectory, tools: Sequence[ToolSpec]
) -> Sample:
    """A demonstration with its tool calls, as the model itself would have written them."""
    parts = [(renderer.open(trajectory.opening, tools), 0.0)]
    for turn in trajectory.turns:
        parts.append((renderer.encode(turn.completion.message), 1.0))
        if turn.replies:
            parts.append((renderer.reply(turn.replies), 0.0))
    return _sample(parts)


def _sample(parts: Sequence[tuple[Sequence[int], float]]) -> Sample:
    ids = np.concatenate([np.asarray(part, np.int32) for part, _ in parts])
    weights = np.concatenate([np.full(len(part), weight, np.float32) for part, weight in parts])
    return Sample(ids=ids, weights=weights)
