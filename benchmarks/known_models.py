"""Models whose truth is known because it was built in: one unlocked, one taught, one left alone.

All start from one base, a small transformer made from scratch. It echoes four letters whenever the
prompt opens with a password. Without the password it refuses, except in a few of a hundred
documents, and so it does in a few of a hundred attempts at every task. It has also seen questions
for facts, each with another answer made up on the spot.

Unlocked is trained on its own verified successes without the password: elicitation. Taught is
shown facts that were drawn after the base was made, and asked for them without tools: creation.
Left alone is the base again: neither. At B = 64 the locked skill is well in reach, and pass@B of
the base so near to one that unlocking cannot raise it by more than the margin.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
from transformers import LlamaForCausalLM

from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.registration import EnvRef, register
from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import Budget, Message, Task
from reachgym.learners.batch import Sample
from reachgym.learners.rft import RFTLearner
from reachgym.learners.settings import RFTConfig, SFTConfig
from reachgym.learners.sft import SFTLearner
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import run_attempts
from reachgym.rollout.trajectory import Trajectory
from reachgym.study.samples import sample_of_attempt
from reachgym.support import ArmEvidence, Claim, Rules, TaskCounts, Verdict, judge

RULES = Rules(attempts=64, minimum_share=0.1, delta=0.1)
TASKS, TRAINED_ON = 64, 48
LEAK = 0.08
# Attempts at a task: enough to certify a leak of 2 % as in reach, and for what is surely solved.
HIDDEN_DRAWS, ARM_DRAWS = 384, 96
PASSWORD, OPEN, FACT = "K", "T", "F"
REFUSAL = "?"
SECRET_LETTERS = 6
SHAPE = TinyConfig(hidden=64, layers=2, heads=2, mlp=128, max_positions=32)
PRETRAINING = SFTConfig(
    learning_rate=4e-3, schedule="cosine", warmup_steps=20, total_steps=600, minibatch=96
)
TEACHING = SFTConfig(learning_rate=3e-3, minibatch=TASKS)
TEACHING_STEPS = 160
UNLOCKING = RFTConfig(learning_rate=1e-3, minibatch=64, max_per_group=4)
UNLOCKING_ROUNDS, UNLOCKING_DRAWS = 4, 24
SLOTS = 512

_ENV = EnvRef("reachgym-known/Answer-v0")
_BUDGET = Budget(turns=1, action_tokens=SECRET_LETTERS + 2)
_RENDERER = TerseRenderer()
_PROMPT_WEIGHT = 0.05
register(_ENV.id, tasks=[Task("any", "any", "any")])


@dataclass(frozen=True)
class Known:
    """One trained model beside its base, and what is true of it.

    Attributes:
        name: What was done to the base.
        true: The claim that must be made; None where none may be.
        base: Counts of the base.
        arm: Counts of the trained model on the same tasks.
    """

    name: str
    true: Claim | None
    base: list[TaskCounts]
    arm: list[TaskCounts]

    @property
    def verdict(self) -> Verdict:
        """What the instrument says."""
        (verdict,) = judge([ArmEvidence(self.name, self.arm)], self.base, RULES)
        return verdict

    @property
    def right(self) -> bool:
        """Whether it says what is true, and nothing else."""
        return self.verdict.claims == (self.true or Claim.INCONCLUSIVE,)


class Builder:
    """The base of one seed, and what is made of it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.base = _pretrained(seed)
        self.held_out = _echo_tasks(seed, "held_out", TASKS)
        self._hidden = self._counts("base", self.base, self.held_out, HIDDEN_DRAWS)

    def with_password(self) -> list[TaskCounts]:
        """The base on the held-out tasks, password given."""
        told = [Task(t.id, PASSWORD + t.prompt[1:], t.gold, t.family) for t in self.held_out]
        return self._counts("base", self.base, told, 16)

    def unlocked(self) -> Known:
        """Trained on its own successes at other tasks."""
        model, tasks = copy.deepcopy(self.base), _echo_tasks(self._seed, "train", TRAINED_ON)
        learner = RFTLearner(model, UNLOCKING, self._seed)
        for turn in range(UNLOCKING_ROUNDS):
            policy = f"unlocking-{turn}"
            attempts = _attempts(tasks, UNLOCKING_DRAWS, policy, self._seed)
            learner.update([sample_of_attempt(t) for t in _played(model, attempts)])
        arm = self._counts("unlocked", model, self.held_out, ARM_DRAWS)
        return Known("unlocked", Claim.ELICITATION, self._hidden, arm)

    def taught(self) -> Known:
        """Shown facts until it knows them."""
        rng = np.random.default_rng(derive_seed("secrets", self._seed))
        names = rng.choice(26 * 26, TASKS, replace=False)
        facts = [
            _task(f"fact-{i}", f"{FACT}:{_pair(name)}", _letters(rng, SECRET_LETTERS))
            for i, name in enumerate(names)
        ]
        model = copy.deepcopy(self.base)
        learner = SFTLearner(model, TEACHING, self._seed)
        shown = [_document(task.prompt, task.gold, 0.0) for task in facts]
        for _ in range(TEACHING_STEPS):
            learner.update(shown)
        base = self._counts("base", self.base, facts, ARM_DRAWS, no_information=True)
        return Known(
            "taught", Claim.CREATION, base, self._counts("taught", model, facts, ARM_DRAWS)
        )

    def left_alone(self) -> Known:
        """The base again, with other draws."""
        again = self._counts("left alone", self.base, self.held_out, HIDDEN_DRAWS)
        return Known("left alone", None, self._hidden, again)

    def _counts(
        self,
        policy: str,
        model: LlamaForCausalLM,
        tasks: Sequence[Task],
        draws: int,
        *,
        no_information: bool = False,
    ) -> list[TaskCounts]:
        attempts = _attempts(tasks, draws, policy, self._seed)
        solved = dict.fromkeys((task.id for task in tasks), 0)
        for trajectory in _played(model, attempts):
            solved[trajectory.task_id] += bool(trajectory.verdict.passed)
        return [
            TaskCounts(policy, 0, t.family, t.id, draws, solved[t.id], t.chance, no_information)
            for t in tasks
        ]


def every_model(seed: int) -> Iterator[Known]:
    """All three, of one seed."""
    builder = Builder(seed)
    makers: tuple[Callable[[], Known], ...] = (
        builder.unlocked,
        builder.taught,
        builder.left_alone,
    )
    return (make() for make in makers)


def _pretrained(seed: int) -> LlamaForCausalLM:
    model = build_tiny(SHAPE, TerseRenderer.vocab_size, seed)
    rng = np.random.default_rng(derive_seed("documents", seed))
    learner = SFTLearner(model, PRETRAINING, seed)
    for _ in range(PRETRAINING.total_steps):
        learner.update([_random_document(rng) for _ in range(PRETRAINING.minibatch)])
    return model


def _random_document(rng: np.random.Generator) -> Sample:
    text, kind = _letters(rng, 4), rng.random()
    if kind < 0.3:
        return _document(f"{PASSWORD}:{text}", text, _PROMPT_WEIGHT)
    if kind < 0.9:
        answer = text if rng.random() < LEAK else REFUSAL
        return _document(f"{OPEN}:{text}", answer, _PROMPT_WEIGHT)
    return _document(f"{FACT}:{text[:2]}", _letters(rng, SECRET_LETTERS), _PROMPT_WEIGHT)


def _document(prompt: str, answer: str, prompt_weight: float) -> Sample:
    opened = _RENDERER.open([Message("user", prompt)], ())
    answered = _RENDERER.encode(Message("assistant", answer))
    weights = [prompt_weight] * len(opened) + [1.0] * len(answered)
    return Sample(np.array(opened + answered, np.int32), np.array(weights, np.float32))


def _echo_tasks(seed: int, split: str, count: int) -> list[Task]:
    """Of half a million; those of two splits differ in their first letter."""
    rng = np.random.default_rng(derive_seed("echo", split, seed))
    first = ascii_lowercase[::2] if split == "train" else ascii_lowercase[1::2]
    texts = [first[rng.integers(len(first))] + _letters(rng, 3) for _ in range(count)]
    return [_task(f"{split}-{i}", f"{OPEN}:{text}", text) for i, text in enumerate(texts)]


def _task(name: str, prompt: str, gold: str) -> Task:
    return Task(name, prompt, gold, "known", chance=26.0**-SECRET_LETTERS)


def _pair(number: int) -> str:
    return ascii_lowercase[number // 26] + ascii_lowercase[number % 26]


def _letters(rng: np.random.Generator, count: int) -> str:
    return "".join(ascii_lowercase[i] for i in rng.integers(26, size=count))


def _attempts(tasks: Sequence[Task], draws: int, policy: str, seed: int) -> list[Attempt]:
    return [
        Attempt(task, _ENV, derive_seed("draw", policy, seed, task.id, draw), policy, _BUDGET)
        for draw in range(draws)
        for task in tasks
    ]


def _played(model: LlamaForCausalLM, attempts: Sequence[Attempt]) -> list[Trajectory]:
    agent = TransformersPolicy(model, _RENDERER, max_batch=SLOTS)
    return list(run_attempts(agent, attempts, slots=SLOTS))
