"""What SFT arms are shown: gold answers, or the oracle's way to them."""

from __future__ import annotations

import numpy as np

from reachgym.agents.renderers.protocol import Renderer
from reachgym.agents.scripted import oracle_agent
from reachgym.envs.errors import ConfigError
from reachgym.envs.registration import make
from reachgym.envs.seeding import derive_seed
from reachgym.learners.batch import Sample
from reachgym.rollout.scheduler import run_attempts
from reachgym.study.config.arms import SFTArm
from reachgym.study.config.study import InterfaceConfig, StudyConfig
from reachgym.study.families import Families
from reachgym.study.samples import sample_of_answer, sample_of_trace

_SLOTS = 16


def demonstrations(
    config: StudyConfig, families: Families, arm: SFTArm, seed: int, renderer: Renderer
) -> list[Sample]:
    """Demonstrations of training tasks, `arm.demonstrations` for each training family.

    Traces leave out families that the interface does not let the oracle solve.

    Raises:
        ConfigError: The oracle solves no training family, or some tasks of one and not all.
    """
    interface = config.interfaces[arm.interface]
    shown: list[Sample] = []
    for family in config.training_families():
        rng = np.random.default_rng(derive_seed("demonstrations", family, seed))
        if arm.data == "answers":
            shown += _answers(families, family, interface, arm.demonstrations, rng, renderer)
        else:
            shown += _traces(families, family, interface, arm.demonstrations, rng, renderer)
    if not shown:
        raise ConfigError(
            f"interface '{arm.interface}' lets the oracle solve no training family: there are no "
            "traces to show; offer the tools, and the information, that the tasks need"
        )
    return shown


def _answers(
    families: Families,
    family: str,
    interface: InterfaceConfig,
    n: int,
    rng: np.random.Generator,
    renderer: Renderer,
) -> list[Sample]:
    env = make(families.ref(family, interface))
    samples = []
    for task in families.sample(family, n, rng):
        opening, _ = env.reset(options={"task": task})
        samples.append(sample_of_answer(renderer, opening, env.tool_specs, task))
    return samples


def _traces(
    families: Families,
    family: str,
    interface: InterfaceConfig,
    n: int,
    rng: np.random.Generator,
    renderer: Renderer,
) -> list[Sample]:
    ref = families.ref(family, interface)
    tools = make(ref).tool_specs
    attempts = [
        attempt
        for task in families.sample(family, n, rng)
        for attempt in families.attempts(task, ref, "oracle", range(1))
    ]
    # They end in any order; what is shown must not depend on which tool was quicker.
    played = {t.key: t for t in run_attempts(oracle_agent(ref.id), attempts, slots=_SLOTS)}
    ordered = [played[attempt.key] for attempt in attempts]
    failed = [trajectory for trajectory in ordered if not trajectory.verdict.passed]
    if len(failed) == len(ordered):
        return []
    if failed:
        raise ConfigError(
            f"the oracle of {family} did not solve {failed[0].task_id} "
            f"({failed[0].verdict.explanation}) but others; a trace of every task is needed"
        )
    return [sample_of_trace(renderer, trajectory, tools) for trajectory in ordered]
