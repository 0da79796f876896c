"""Solved training tasks, to be shown to a policy before the task that it is asked."""

from __future__ import annotations

from collections.abc import Sequence

from reachgym.agents.protocol import Conversation, Exchange
from reachgym.agents.scripted import oracle_agent
from reachgym.envs.errors import ConfigError
from reachgym.rollout.scheduler import run_attempts
from reachgym.study.config.study import InterfaceConfig
from reachgym.study.families import Families


def solved_examples(
    families: Families, names: Sequence[str], interface: InterfaceConfig
) -> tuple[Conversation, ...]:
    """The oracle's episode at the first training task of each family named.

    Raises:
        ConfigError: The oracle does not solve it through this interface.
    """
    shown = []
    for name in names:
        ref = families.ref(name, interface)
        (task,) = families.first(name, "train", 1)
        (attempt,) = families.attempts(task, ref, "oracle", range(1))
        (trajectory,) = run_attempts(oracle_agent(ref.id), [attempt], slots=1)
        if not trajectory.verdict.passed:
            raise ConfigError(
                f"few_shot: the oracle of {name} did not solve {task.id} "
                f"({trajectory.verdict.explanation}); show families that it can solve here"
            )
        exchanges = tuple(Exchange(turn.completion, turn.replies) for turn in trajectory.turns)
        shown.append(Conversation(trajectory.opening, exchanges))
    return tuple(shown)
