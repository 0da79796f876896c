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
from reachgym.study.arm_config import SFTArm
from reachgym.study.config import InterfaceConfig, StudyConfig
from reachgym.study.families import Families
from reachgym.study.samples import sample_of_answer, sample_of_trace

_SLOTS = 16


def demonstrations(
    config: StudyConfig, families: Families, arm: SFTArm, seed: int, renderer: Renderer
) -> list[Sample]:
    """Demonstrations of training tasks, `arm.demonstrations` for each training family.

    Raises:
        ConfigError: A trace was asked for and the oracle did not solve its task.
    """
    interface = config.interfaces[arm.interface]
    shown: list[Sample] = []
    for family in config.training_families():
        rng = np.random.default_rng(derive_seed("demonstrations", family, seed))
        if arm.data == "answers":
            shown += _answers(families, family, interface, arm.demonstrations, rng, renderer)
        else:
            shown += _traces(families, family, interface, arm.demonstrations, rng, renderer)
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
    samples = []
    for trajectory in (played[attempt.key] for attempt in attempts):
        if not trajectory.verdict.passed:
            raise ConfigError(
                f"the oracle of {family} did not solve {trajectory.task_id} "
                f"({trajectory.verdict.explanation}); traces need an interface that lets it"
            )
        samples.append(sample_of_trace(renderer, trajectory, tools))
    return samples
