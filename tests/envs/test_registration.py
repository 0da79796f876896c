"""Environments by name: short to register, found by module, references that compare by text."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from textwrap import dedent

import gymnasium
import pytest

from reachgym.envs import (
    EnvRef,
    Message,
    StopReason,
    Task,
    ToolCall,
    ToolEnv,
    Workspace,
    make,
    register,
    tool,
)
from reachgym.envs.errors import ConfigError, InputError, TaskError
from reachgym.envs.taskset import ListTaskset

SHOUT = dedent(
    '''
    import gymnasium as gym
    from reachgym.envs import Message, Task, ToolCall, exact_match, register, tool

    @tool
    def shout(text: str) -> str:
        """Write a text in capitals.

        Args:
            text: What to write.
        """
        return text.upper()

    tasks = [Task(id=w, prompt=f"Shout {w}.", gold=w.upper()) for w in ("hey", "ho")]
    register("demo/Shout-v0", tasks=tasks, tools=[shout], verifier=exact_match)
    '''
)
PLAY = dedent(
    """
    env = gym.make("demo/Shout-v0")
    env.reset(options={"split": "train", "index": 0})
    call = ToolCall("c0", "shout", {"text": "hey"})
    replies, *_ = env.step(Message("assistant", tool_calls=(call,)))
    print(env.step(Message("assistant", replies[0].content))[1])
    """
)


def run(code: str, folder) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_environment_of_ones_own_takes_few_lines(tmp_path):
    assert len([line for line in SHOUT.splitlines() if line]) <= 20
    assert run(SHOUT + PLAY, tmp_path) == "1.0"


def test_another_process_finds_an_environment_by_its_module(tmp_path):
    (tmp_path / "shouting.py").write_text(SHOUT)
    code = """
        import gymnasium
        from reachgym.envs import make
        print(make("shouting:demo/Shout-v0").reset(seed=0)[1]["task_id"] in ("hey", "ho"))
        gymnasium.make("shouting:demo/Shout-v0")
    """
    assert run(dedent(code), tmp_path) == "True"


def test_importing_the_environments_is_light(tmp_path):
    code = """
        import sys, reachgym.envs
        heavy = {"torch", "ray", "transformers", "bm25s", "pyarrow", "scipy", "matplotlib"}
        print(sorted(heavy & sys.modules.keys()))
    """
    assert run(dedent(code), tmp_path) == "[]"


def test_made_environments_are_bare(tasks):
    register("test_registration/Bare-v0", tasks=tasks)
    env = make("test_registration/Bare-v0")
    assert type(env) is ToolEnv
    assert env.spec.id == "test_registration/Bare-v0"


def test_what_is_registered_is_what_is_made(tasks, tools, say):
    from reachgym.envs import Budget

    register(
        "test_registration/Full-v0",
        tasks=ListTaskset(tasks, "mine"),
        tools=tools,
        budget=Budget(turns=1),
        system_prompt="Be brief.",
    )
    env = make(EnvRef("test_registration/Full-v0"))
    assert env.taskset.name == "mine"
    opening, _ = env.reset(seed=0)
    assert opening[0] == Message("system", "Be brief.")
    assert env.step(say.shouts("a"))[-1]["stop_reason"] is StopReason.TURNS


def test_a_bad_task_shows_at_registration():
    with pytest.raises(TaskError, match="no gold"):
        register("test_registration/Goldless-v0", tasks=[Task("t", "p", "")])
    assert "test_registration/Goldless-v0" not in gymnasium.registry


def test_tools_of_one_name_show_at_registration(tasks, tools):
    with pytest.raises(InputError, match="name of its own"):
        register("test_registration/Twice-v0", tasks=tasks, tools=[*tools, tools[0]])
    assert "test_registration/Twice-v0" not in gymnasium.registry


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ("reachgym/Lokup-v0", "did you mean 'reachgym/Lookup-v0'"),
        ("reachgym/Lookup-v9", "did you mean 'reachgym/Lookup-v0'"),
        ("nowhere/Zzzzzz-v0", "use 'module:ns/Id-v0'"),
        ("not an id", "no environment 'not an id'"),
        ("no_such_module_here:ns/Id-v0", "cannot import 'no_such_module_here'"),
        ("reachgym.envs:ns/Id-v0", "no environment 'ns/Id-v0'"),
        (EnvRef("reachgym/Lookup-v0", {"hops": 2}), '{"hops": 2}.*hops'),
        (EnvRef("reachgym/Lookup-v0", {"difficulty": 9}), "difficulty"),
        ("CartPole-v1", "a ToolEnv is needed"),
    ],
)
def test_what_cannot_be_made_says_why(ref, told):
    with pytest.raises(InputError, match=told):
        make(ref)


def test_a_reference_is_its_canonical_text():
    ref = EnvRef("a/B-v0", {"z": 1, "a": ["é"]})
    assert ref.text == '{"id": "a/B-v0", "kwargs": {"a": ["\\u00e9"], "z": 1}}'
    assert EnvRef(**json.loads(ref.text)) == ref


def test_references_are_equal_and_hash_alike_by_text():
    one, same = EnvRef("a/B-v0", {"x": 1, "y": 2}), EnvRef("a/B-v0", {"y": 2, "x": 1})
    others = [EnvRef("a/B-v0"), EnvRef("a/C-v0", one.kwargs), EnvRef("a/B-v0", {"x": True, "y": 2})]
    assert len({one, same}) == 1
    assert len({one, *others}) == 4
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_a_reference_takes_json_values_only(value):
    with pytest.raises(InputError, match="JSON values"):
        EnvRef("a/B-v0", {"x": value})


SECRETS = [Task(f"t{i}", f"Secret {i}?", f"gold-{i}", files={"s": f"gold-{i}"}) for i in range(4)]


@tool
def reveal(workspace: Workspace) -> str:
    """Tell the secret."""
    return workspace.files["s"].decode()


@tool(informs=False)
def shout(text: str) -> str:
    """Write in capitals.

    Args:
        text: What to write.
    """
    return text.upper()


@pytest.fixture
def secrets():
    register("test_registration/Secret-v0", tasks=SECRETS, tools=[reveal, shout])
    yield "test_registration/Secret-v0"
    del gymnasium.registry["test_registration/Secret-v0"]


@pytest.mark.parametrize(
    ("interface", "offered", "told"),
    [
        ({}, ["reveal", "shout"], "gold-0"),
        ({"tools": ["shout"]}, ["shout"], "there is no tool 'reveal'"),
        ({"information": "withheld"}, ["reveal", "shout"], "-"),
        ({"information": "shuffled"}, ["reveal", "shout"], "gold-"),
    ],
)
def test_an_interface_takes_tools_and_information_away(secrets, interface, offered, told):
    env = make(EnvRef(secrets, {"interface": interface}))
    assert [spec.name for spec in env.tool_specs] == offered
    env.reset(options={"index": 0})
    (reply,), *_ = env.step(Message("assistant", tool_calls=(ToolCall("c", "reveal", {}),)))
    assert reply.content.startswith(told)
    assert (reply.content == "gold-0") is (interface == {})


def test_an_interface_of_tools_that_there_are_not_is_refused(secrets):
    with pytest.raises(ConfigError, match="did you mean 'reveal'"):
        make(EnvRef(secrets, {"interface": {"tools": ["revael"]}}))
