"""Choosing a sandbox level: what a configuration may say, and that nothing weaker is taken."""

from __future__ import annotations

import pytest

from reachgym.envs import EnvRef, ListTaskset, Task, make, register
from reachgym.envs.errors import ConfigError, SandboxError
from reachgym.envs.sandbox.levels import Level, SandboxSpec, open_sandbox, parse_sandbox
from reachgym.envs.sandbox.protocol import SandboxLimits
from reachgym.envs.sandbox.shared import sandbox_for, shared_sandbox

NOWHERE = "an-image-that-is-nowhere"


def test_nothing_said_means_namespaces_and_nothing_else() -> None:
    assert parse_sandbox(None) == parse_sandbox({}) == SandboxSpec()
    assert SandboxSpec().levels == (Level.NAMESPACES,)


def test_levels_image_and_limits_are_read() -> None:
    given = {
        "levels": ["docker", "namespaces"],
        "image": "python:3.12",
        "wall_s": 2,
        "processes": 9,
    }
    assert parse_sandbox(given) == SandboxSpec(
        (Level.DOCKER, Level.NAMESPACES), "python:3.12", SandboxLimits(wall_s=2, processes=9)
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("docker", "expects a mapping such as"),
        ({"level": ["docker"]}, "did you mean 'levels'"),
        ({"levels": "docker"}, "expects a list"),
        ({"levels": []}, "expects a list"),
        ({"levels": ["dokcer"]}, "did you mean 'docker'"),
        ({"levels": ["none"]}, "sandbox.levels knows"),
        ({"image": 3}, "name of a Docker image"),
        ({"wall_s": 0}, "sandbox.wall_s expects a number above 0"),
        ({"wall_s": True}, "sandbox.wall_s expects a number above 0"),
        ({"memory_bytes": 1.5}, "sandbox.memory_bytes expects a whole number above 0"),
    ],
)
def test_what_nobody_knows_is_refused(given, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_sandbox(given)


def test_an_allowed_level_is_taken_where_the_preferred_one_is_missing() -> None:
    spec = SandboxSpec((Level.DOCKER, Level.NAMESPACES), NOWHERE)
    with open_sandbox(spec) as opened:
        assert opened.level == "namespaces"
        assert opened.exec("print(1)").stdout == "1\n"


def test_a_level_that_is_not_allowed_is_not_taken() -> None:
    with pytest.raises(SandboxError, match="expected a sandbox of level docker on this machine"):
        open_sandbox(SandboxSpec((Level.DOCKER,), NOWHERE))


def test_an_environment_runs_code_where_its_argument_says() -> None:
    register("test_levels/Any-v0", tasks=ListTaskset([Task("t", "?", "!")]))
    make(EnvRef("test_levels/Any-v0", {"sandbox": {"levels": ["namespaces"]}}))
    with pytest.raises(ConfigError, match="did you mean 'landlock'"):
        make(EnvRef("test_levels/Any-v0", {"sandbox": {"levels": ["landlok"]}}))


def test_equal_wishes_share_their_sandboxes() -> None:
    assert sandbox_for({"wall_s": 5})() is shared_sandbox()
    assert sandbox_for({"wall_s": 4})() is not shared_sandbox()
