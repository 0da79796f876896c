"""Environments as TRL's GRPOTrainer drives them, and the example that trains on one."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from transformers.utils import get_json_schema

from reachgym.envs.errors import InputError
from reachgym.envs.registration import EnvRef, make, register
from reachgym.envs.tools.base import tool
from reachgym.envs.types import Budget, Task
from reachgym.rollout.formats.trl import environment_factory, episode_reward, rows

EXAMPLE = Path(__file__).parents[3] / "examples" / "trl_grpo.py"
TASKS = [Task(f"t{i}", f"What is {i} + 1?", str(i + 1)) for i in range(3)]
REF = EnvRef("test/Trl-v0")


@tool
def add(a: int, b: int = 1, note: str | None = None) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


@tool
def lost(a: int) -> int:
    """Fail, as a tool whose machine is gone."""
    raise OSError("gone")


@tool
def reset(a: int) -> int:
    """Have a name that TRL keeps for itself."""
    return a


register(REF.id, tasks=TASKS, tools=[add, lost], budget=Budget(turns=2))
register("test/TrlReset-v0", tasks=TASKS, tools=[reset])


def started(index: int = 0):
    environment = environment_factory(REF)()
    environment.reset(**rows(REF, "train", 3)[index])
    return environment


def said(text: str) -> list[dict]:
    return [{"role": "assistant", "content": text}]


def test_public_methods_are_the_tools_and_reset_alone():
    functions = inspect.getmembers(type(started()), predicate=inspect.isfunction)
    assert {name for name, _ in functions if not name.startswith("_")} == {"add", "lost", "reset"}


def test_a_tool_has_the_schema_that_the_environment_tells():
    made = get_json_schema(started().add)["function"]
    told = next(spec for spec in make(REF).tool_specs if spec.name == "add")
    assert (made["name"], made["description"]) == ("add", told.description)
    parameters = made["parameters"]
    assert parameters["required"] == told.parameters["required"] == ["a"]
    assert parameters["properties"]["a"] == {"type": "integer", "description": "The first."}
    assert list(parameters["properties"]) == ["a", "b", "note"]


def test_rows_open_as_the_environment_does_and_tell_no_answer():
    assert rows(REF, "train", 2)[1] == {
        "prompt": [{"role": "user", "content": "What is 1 + 1?"}],
        "split": "train",
        "index": 1,
    }


def test_calls_are_answered_and_the_answer_earns_the_reward():
    first, second = started(0), started(2)
    assert first.add(a=0) == "1"
    assert "'a' is missing" in second.add()
    for _ in range(2):  # Asked for twice it is the same.
        assert episode_reward([said("1"), said("1")], [first, second]) == [1.0, 0.0]


def test_a_completion_that_ends_on_a_call_is_scored_as_it_stands():
    cut = [{"role": "assistant", "content": "", "tool_calls": [{}]}]
    assert episode_reward([cut, []], [started(), started()]) == [0.0, 0.0]


def test_a_spent_budget_ends_the_episode():
    environment = started()
    environment.add(a=0)
    environment.add(a=0)
    assert "over" in environment.add(a=0)
    assert episode_reward([said("1")], [environment]) == [0.0]


def test_a_tool_that_breaks_leaves_the_completion_without_a_reward():
    environment = started()
    with pytest.raises(Exception, match="gone"):
        environment.lost(a=1)
    assert episode_reward([said("1")], [environment]) == [None]
    environment.reset(**rows(REF, "train", 1)[0])
    assert episode_reward([said("1")], [environment]) == [1.0]


def test_a_tool_that_trl_would_not_show_is_refused():
    with pytest.raises(InputError, match="no tool named 'reset'"):
        environment_factory(EnvRef("test/TrlReset-v0"))


@pytest.mark.skipif(not importlib.util.find_spec("trl"), reason="trl is not installed")
def test_the_example_trains_with_trl():
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(EXAMPLE)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = re.search(r"held-out boxes: (\S+) before, (\S+) after", ran.stdout)
    assert found, ran.stdout
    before, after = map(float, found.groups())
    assert after > before + 0.1
