"""A study small enough for a test, and the command line as another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = """
title: Small
question: Does an interrupted study end as one that ran through?
seeds: [0]
model: {hidden: 32, layers: 1, heads: 2, mlp: 64, max_positions: 128}
pretraining:
  steps: 5
  batch: 4
  learner: {minibatch: 4}
bases:
  base: {}
  unexposed: {label: unexposed, description: never shown a tool, mix: {lookup_exposure: 0.0}}
interfaces:
  tools: {description: both tools, tools: [search, python]}
  no_tools: {description: none}
attempt_budget: {turns: 3, action_tokens: 24, context_tokens: 96, wall_s: 60}
families:
  lookup-1:
    env: reachgym/Lookup-v0
    kwargs: {difficulty: 1, text: terse}
    description: one fact
    train: true
    base_draws: 8
    arm_draws: 4
  compose-2:
    env: reachgym/Compose-v0
    kwargs: {difficulty: 2, text: terse}
    description: two operations
    train: true
    base_draws: 4
    arm_draws: 4
arms:
  sft:
    kind: sft
    label: SFT
    description: on the oracle's traces
    interface: tools
    data: traces
    demonstrations: 8
    steps: 2
    batch: 8
    learner: {minibatch: 8}
  rl:
    kind: rl
    label: RL
    description: with tools
    interface: tools
    steps: 2
    prompts: 2
    attempts: 4
    learner: {}
    bases: [base, unexposed]
  yoked:
    kind: yoked
    label: yoked
    description: shown what RL solved
    interface: tools
    to: rl
    learner: {}
    control_for: [rl]
measurement:
  sample_budgets: [1, 2]
  headline: 2
  tasks: 2
  first_draws: 4
  scored_draws: 2
evaluations:
  elsewhere:
    label: another world
    description: with facts that no arm has met
    of: all
    interface: tools
    attempts: 4
    world_seed: 99
  cool:
    label: base, cooler
    description: at a temperature of a half, shown an example
    of: base
    interface: tools
    attempts: 4
    variant: {temperature: 0.5, few_shot: [compose-2]}
contrasts:
  interaction: {kind: difference, label: RL less yoked, arm: rl, control: yoked}
resources: {lanes: 1, slots: 16}
"""

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "NO_COLOR": "1"}


@pytest.fixture
def small_config(tmp_path: Path) -> Path:
    """The small study's configuration file."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def start(ctrl_c):
    """Starts the command line in a session of its own, and ends it whatever the test did."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str | Path, path: Path | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "reachgym", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT if path is None else {**ENVIRONMENT, "PYTHONPATH": str(path)},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def reachgym(start):
    """Runs the command line to its end: status, stdout, stderr."""

    def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        process = start(*arguments)
        out, err = process.communicate(stdin, timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run
