"""Twenty environments, each broken in one way: the check that is for it finds it and says so."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time

import gymnasium
import pytest

from reachgym.envs import (
    Message,
    Task,
    ToolCall,
    ToolEnv,
    Verdict,
    Workspace,
    exact_match,
    register,
    tool,
)
from reachgym.envs.checking import check_env
from reachgym.envs.checking.finding import MENDS
from reachgym.envs.milestones import Milestone
from reachgym.envs.seeding import derive_seed
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.types import SPLITS

ENV = "test_broken/Env-v0"


def secret(split, index):
    return str(derive_seed("broken", split, index))


def tasks(**changes):
    made = [
        Task(f"{split}-{index}", f"What is hidden in {split} {index}?", secret(split, index),
             split=split, chance=2**-60)
        for split in SPLITS
        for index in range(20)
    ]  # fmt: skip
    return [Task(**{**_fields(task), **{k: v(task) for k, v in changes.items()}}) for task in made]


def _fields(task):
    names = ("id", "prompt", "gold", "family", "split", "files", "chance", "metadata")
    return {name: getattr(task, name) for name in names}


@tool
def dig(workspace: Workspace, place: str) -> str:
    """Dig for what is hidden.

    Args:
        place: Where to dig.
    """
    del place
    workspace.state["dug"] = True
    return "nothing here"


def env(made=None, tools=(dig,), kind=ToolEnv, **kwargs):
    return lambda render_mode=None: kind(
        ListTaskset(made or tasks()), tools=tools, render_mode=render_mode, **kwargs
    )


LEFT: list[subprocess.Popen] = []
LEFT_OPEN: list[int] = []


@pytest.fixture(autouse=True)
def _swept():
    yield
    while LEFT:
        process = LEFT.pop()
        process.kill()
        process.wait()
    while LEFT_OPEN:
        os.close(LEFT_OPEN.pop())


def wrong_gold():
    return env(verifier=lambda attempt: Verdict(0.0, False, "never right"))


def gold_in_the_prompt():
    return env(tasks(prompt=lambda task: f"Say {task.gold}."))


def gold_in_a_tools_output():
    @tool
    def hint(workspace: Workspace) -> str:
        """Give a hint."""
        return f"it is {workspace.task.gold}"

    return env(tools=(hint,))


class Telling(ToolEnv):
    def reset(self, *, seed=None, options=None):
        opening, info = super().reset(seed=seed, options=options)
        return opening, {**info, "note": self.task.gold}


class Showing(ToolEnv):
    def render(self):
        return self.task.gold


def gold_in_the_files():
    return env(tasks(files=lambda task: {"note.txt": task.gold}), tools=())


def understated_chance():
    return env(tasks(gold=lambda task: "heads"))


class Fickle(ListTaskset):
    drawn = itertools.count()

    def task(self, split, index):
        task = super().task(split, index)
        return Task(**{**_fields(task), "prompt": f"{task.prompt} ({next(self.drawn)})"})


class Moody(ToolEnv):
    def reset(self, *, seed=None, options=None):
        opening, info = super().reset(seed=seed, options=options)
        return (*opening, Message("user", f"It is {time.perf_counter_ns()}.")), info


def overlapping_splits():
    return env(tasks(prompt=lambda task: f"Which? {task.id.split('-')[1]}",
                     gold=lambda task: secret("all", int(task.id.split('-')[1]))))  # fmt: skip


class Doubled(ListTaskset):
    def task(self, split, index):
        return Task(**{**_fields(super().task(split, index)), "id": "the-one"})


def a_tool_that_crashes_on_unicode():
    @tool
    def dig(place: str) -> str:
        """Dig.

        Args:
            place: Where to dig.
        """
        return place.encode("ascii").decode()

    return env(tools=(dig,))


class Generous(ToolEnv):
    def step(self, action):
        replies, reward, terminated, truncated, info = super().step(action)
        return replies, reward, terminated or truncated, False, info


def an_undescribed_parameter():
    @tool
    def dig(place: str) -> str:
        """Dig."""
        return place and "nothing here"

    return env(tools=(dig,))


def state_in_a_closure():
    dug = itertools.count(1)

    @tool
    def dig() -> str:
        """Dig."""
        return f"{next(dug)} times nothing"

    return env(tools=(dig,))


def a_milestone_that_is_not_necessary():
    return env(
        milestones=lambda task: [Milestone("dug", lambda attempt: "dug" in attempt.workspace.state)]
    )


def a_milestone_that_is_lost():
    def last_was_dug(attempt):
        return attempt.messages[-1].role == "tool"

    return env(milestones=lambda task: [Milestone("digging", last_was_dug)])


def a_verifier_that_raises():
    def judge(attempt):
        return exact_match(attempt) if attempt.answer else {}[attempt.answer]

    return env(verifier=judge)


def a_verifier_that_takes_silence():
    def judge(attempt):
        right = attempt.answer in ("", attempt.task.gold)
        return Verdict(float(right), right)

    return env(verifier=judge)


def a_reward_that_is_no_number():
    return env(verifier=lambda attempt: Verdict(float("nan"), False))


def threads_left_behind():
    def make(render_mode=None):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        return ToolEnv(ListTaskset(tasks()), tools=(dig,), render_mode=render_mode)

    return make


def overlapping_worlds():
    def make(render_mode=None, world_seed=0):
        order = SPLITS if not world_seed else SPLITS[::-1]
        swap = dict(zip(SPLITS, order, strict=True))
        made = [Task(**{**_fields(t), "split": swap[t.split]}) for t in tasks()]
        return ToolEnv(ListTaskset(made), tools=(dig,), render_mode=render_mode)

    return make


def any_answer_passes():
    return env(verifier=lambda attempt: Verdict(1.0, attempt.answer is not None))


def state_from_one_episode_to_the_next():
    worn = itertools.count()

    @tool
    def dig() -> str:
        """Dig."""
        return f"the shovel is worn {next(worn)} times"

    return env(tools=(dig,))


def a_pass_without_reward():
    def judge(attempt):
        right = attempt.answer == attempt.task.gold
        return Verdict(0.0, right)

    return env(verifier=judge)


def chance_that_was_not_declared():
    return env(tasks(gold=lambda task: "heads", chance=lambda task: 0.0))


def processes_left_behind():
    def make(render_mode=None):
        LEFT.append(subprocess.Popen(["sleep", "60"]))
        return ToolEnv(ListTaskset(tasks()), tools=(dig,), render_mode=render_mode)

    return make


def files_left_open():
    def make(render_mode=None):
        LEFT_OPEN.append(os.open("/dev/null", os.O_RDONLY))
        return ToolEnv(ListTaskset(tasks()), tools=(dig,), render_mode=render_mode)

    return make


BROKEN = {
    wrong_gold: ("gold", "must pass; the verifier said: never right"),
    gold_in_the_prompt: (
        "leak",
        "the first 'train-0', open with their gold answer",
    ),
    gold_in_a_tools_output: ("leak", "a call without arguments gave away"),
    "gold in info": (env(kind=Telling), "leak", "tell in info before the end their gold answer"),
    "gold in render": (env(kind=Showing), "leak", "render() shows"),
    gold_in_the_files: ("leak", "have in their files their gold answer"),
    understated_chance: ("chance", "passed by another task's answer, and the declared chance"),
    "tasks by a counter": (
        lambda render_mode=None: ToolEnv(Fickle(tasks()), tools=(dig,), render_mode=render_mode),
        "determinism",
        "a split's index gave two tasks",
    ),
    "an opening by the clock": (env(kind=Moody), "determinism", "seed 0 gave task"),
    overlapping_splits: ("splits", "is validation task"),
    "ids double": (
        lambda render_mode=None: ToolEnv(Doubled(tasks()), tools=(dig,), render_mode=render_mode),
        "splits",
        "the id 'the-one' comes twice",
    ),
    overlapping_worlds: ("splits", "of another world"),
    a_tool_that_crashes_on_unicode: ("unicode", "tool dig raised InfrastructureError"),
    "a budget that does not hold": (env(kind=Generous), "budget", "expected stop reason 'turns'"),
    an_undescribed_parameter: ("tools", "parameter 'place' is not described"),
    state_in_a_closure: ("snapshot", "from one snapshot dig told"),
    a_milestone_that_is_not_necessary: ("milestones", "0 of 1 milestones reached"),
    a_milestone_that_is_lost: ("milestones", "milestones were lost again"),
    a_verifier_that_raises: ("gold", "the verifier failed with KeyError"),
    a_verifier_that_takes_silence: ("gold", "the answer '' passed; it must fail"),
    a_reward_that_is_no_number: ("gold", "a reward must be finite"),
    threads_left_behind: ("closing", "left 3 threads behind"),
    state_from_one_episode_to_the_next: ("determinism", "the same calls told"),
    a_pass_without_reward: ("gold", "passed with a reward of 0.0"),
    chance_that_was_not_declared: ("chance", "and the declared chance is 0"),
    processes_left_behind: ("closing", "left 3 processes behind"),
    files_left_open: ("closing", "left 3 descriptors behind"),
    any_answer_passes: ("gold", "the answer 'I do not know.' passed"),
}
CASES = [
    pytest.param(
        *(case if len(case) == 3 else (made(), *case)), id=str(getattr(made, "__name__", made))
    )
    for made, case in BROKEN.items()
]


def oracle(messages):
    if messages[-1].role == "user":
        return Message("assistant", tool_calls=(ToolCall("c", "none_of_these"),))
    _, _, split, index = messages[0].content.rstrip("?").rsplit(" ", 3)
    return Message("assistant", secret(split, int(index)))


@pytest.fixture
def registered():
    yield lambda made: gymnasium.register(ENV, entry_point=made, order_enforce=False)
    del gymnasium.registry[ENV]


def test_nothing_is_found_in_the_environment_that_the_others_are_broken_of(registered):
    registered(env())
    assert check_env(ENV, oracle=oracle) == []


@pytest.mark.parametrize(("made", "check", "told"), CASES)
def test_a_broken_environment_is_found_by_its_check_and_told_how_to_mend(
    registered, made, check, told
):
    registered(made)
    with_oracle = oracle if check == "milestones" else None
    findings = [f for f in check_env(ENV, oracle=with_oracle) if f.check == check]
    (first, *_) = [finding for finding in findings if told in finding.message]
    # What the agent is told badly, a person may find good enough.
    assert first.error or check == "tools"
    assert findings[0].mend == MENDS[check]


def test_there_are_more_than_twenty():
    assert len(CASES) > 20


def test_an_oracle_that_does_not_solve_its_tasks_is_found():
    env_id = "test_broken/Registered-v0"
    register(env_id, tasks=tasks(), tools=[dig], oracle=lambda _: Message("assistant", "no"))
    findings = [finding for finding in check_env(env_id) if finding.check == "oracle"]
    assert len(findings) == 12
    assert "the oracle did not solve it" in findings[0].message
    del gymnasium.registry[env_id]


def test_tasks_that_depend_on_the_order_of_a_set_are_found(tmp_path, monkeypatch):
    (tmp_path / "unordered.py").write_text(
        "from reachgym.envs import Task, register\n"
        "words = list({'ash', 'birch', 'cedar', 'elm', 'fir', 'oak', 'pine', 'yew'})\n"
        "tasks = [Task(f't{n}', f'Say {n}.', word) for n, word in enumerate(words)]\n"
        "register('unordered/Env-v0', tasks=tasks)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = [f for f in check_env("unordered:unordered/Env-v0") if f.check == "process"]
    assert ["tasks otherwise" in finding.message for finding in found] == [True]
