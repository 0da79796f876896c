"""The command line as a person meets it: other processes, their text and their exit status."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from reachgym.envs.registration import EnvRef, make
from reachgym.envs.types import Message, ToolCall
from reachgym.rollout.store import TrajectoryStore

LOOKUP = "reachgym/Lookup-v0"
pytestmark = pytest.mark.timeout(400)


def refused(ran: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that exits with status 2."""
    assert ran.returncode == 2, (ran.stdout, ran.stderr)
    assert ran.stderr.startswith("reachgym: ")
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert "Traceback" not in ran.stdout
    return ran.stderr


def test_help_says_where_to_start_and_names_every_command(reachgym):
    ran = reachgym("--help")
    assert ran.returncode == 0
    assert "reachgym study configs/quickstart.yaml --out runs/quickstart" in ran.stdout
    commands = ("study", "report", "rollout", "replay", "rescore", "export", "import")
    for command in (*commands, "envs", "doctor", "new-env", "check-env", "search-server"):
        assert re.search(rf"\W{command}\W", ran.stdout)


def test_the_command_line_opens_without_torch_transformers_or_ray():
    script = (
        "import sys, reachgym.study.cli\n"
        "print([m for m in ('torch', 'transformers', 'ray') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


def test_a_mistyped_command_is_answered_with_the_one_meant(reachgym):
    ran = reachgym("stdy")
    assert ran.returncode == 2
    assert "study" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_listing_names_every_family(reachgym):
    ran = reachgym("envs", "list")
    assert ran.returncode == 0
    for name in ("Lookup", "Arithmetic", "Compose"):
        assert f"reachgym/{name}-v0" in ran.stdout


def test_describing_shows_a_task_its_tools_and_its_chance(reachgym):
    ran = reachgym("envs", "describe", LOOKUP, "--set", "difficulty=2")
    assert ran.returncode == 0, ran.stderr
    assert "lookup-2" in ran.stdout
    assert "user: A directory gives" in ran.stdout
    assert "search(query)" in ran.stdout
    assert "chance: " in ran.stdout


def test_a_lookup_is_solved_by_hand(reachgym):
    env = make(EnvRef(LOOKUP, {"difficulty": 1, "text": "terse"}))
    (prompt, *_), _ = env.reset(seed=3)
    relation, entity = prompt.content.removeprefix("L:").split("/")
    query = f"{entity}/{relation}"
    call = ToolCall("c", "search", {"query": query})
    (reply,), *_ = env.step(Message("assistant", tool_calls=(call,)))

    typed = f"/search {query}\n{reply.content}\n"
    terse = ("--set", "difficulty=1", "--set", "text=terse")
    ran = reachgym("envs", "play", LOOKUP, "--seed", "3", *terse, stdin=typed)
    assert ran.returncode == 0, ran.stderr
    assert f"tool: {reply.content}" in ran.stdout
    assert "answered: reward 1." in ran.stdout


def test_a_rollout_keeps_its_attempts_and_running_it_again_adds_none(reachgym, tmp_path):
    command = ("rollout", LOOKUP, "--tasks", "3", "--attempts", "2", "--out", tmp_path / "store")
    first = reachgym(*command)
    assert first.returncode == 0, first.stderr
    assert "solved 6 of 6 scored attempts; 0 failed" in first.stdout
    shards = list((tmp_path / "store").glob("*.parquet"))

    again = reachgym(*command)
    assert again.returncode == 0, again.stderr
    assert "6 of 6 attempts are there already" in again.stdout
    assert list((tmp_path / "store").glob("*.parquet")) == shards
    assert len(TrajectoryStore(tmp_path / "store").keys()) == 6


def test_a_rollout_whose_sandbox_is_missing_says_why_and_scores_nothing(reachgym, tmp_path):
    nowhere = "sandbox={levels: [docker], image: an-image-that-is-nowhere}"
    ran = reachgym(
        "rollout",
        "reachgym/Arithmetic-v0",
        "--tasks",
        "1",
        "--set",
        nowhere,
        "--out",
        tmp_path / "s",
    )
    assert "solved 0 of 0 scored attempts; 1 failed unscored" in ran.stdout
    assert "the first of them: SandboxError: expected a sandbox of level docker" in ran.stdout


def test_an_unknown_key_of_a_study_is_one_line(reachgym, small_config, tmp_path):
    out = tmp_path / "out"
    ran = reachgym("study", small_config, "--out", out, "--set", "world.sed=7")
    assert "did you mean 'seed'?" in refused(ran)
    assert not out.exists()


def test_an_unknown_tool_of_an_interface_is_one_line(reachgym, small_config, tmp_path):
    override = "interfaces.tools.tools=[serach]"
    ran = reachgym("study", small_config, "--out", tmp_path / "out", "--set", override)
    assert "did you mean 'search'?" in refused(ran)


def test_a_task_without_gold_is_one_line(start, tmp_path):
    (tmp_path / "ungraded.py").write_text(
        "from reachgym.envs import Task, register\n"
        "register('demo/Ungraded-v0', tasks=[Task(id='one', prompt='?', gold='')])\n"
    )
    process = start("envs", "describe", "ungraded:demo/Ungraded-v0", path=tmp_path)
    out, err = process.communicate(timeout=60)
    ran = subprocess.CompletedProcess((), process.returncode, out, err)
    assert "gold" in refused(ran)


def test_an_agent_that_is_no_checkpoint_is_one_line(reachgym, tmp_path):
    nothing = tmp_path / "nothing"
    ran = reachgym("rollout", LOOKUP, "--agent", nothing, "--out", tmp_path / "store")
    assert "nothing has no config.json" in refused(ran)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--endpoint", "localhost:8000"), "expected a base_url like 'http://localhost:8000/v1'"),
        (("--endpoint", "http://localhost:1/v1", "--server", "vlm"), "--server expects one of"),
        (("--dtype", "half"), "--dtype expects one of float32, bfloat16; got 'half'"),
        (("--resource", "disk"), "--resource expects NAME=AMOUNT, e.g. disk=1; got 'disk'"),
        (
            ("--agent", "random", "--track", "paper"),
            "--track expects tensorboard or wandb, got 'paper'",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(reachgym, tmp_path, option, told):
    ran = reachgym("rollout", LOOKUP, "--agent", "model", *option, "--out", tmp_path / "store")
    assert told in refused(ran)
    assert not (tmp_path / "store").exists()


def test_another_studys_folder_is_one_line(reachgym, small_config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text(json.dumps({"title": "Another"}))
    ran = reachgym("study", small_config, "--out", tmp_path / "out")
    assert "holds another study" in refused(ran)


def test_a_foreign_folder_is_one_line_and_left_alone(reachgym, small_config, tmp_path):
    ran = reachgym("study", small_config, "--out", tmp_path)
    assert "is no study's folder" in refused(ran)
    assert [entry.name for entry in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("envs", "describe", "reachgym/Lokup-v0"), "did you mean 'reachgym/Lookup-v0'?"),
        (("envs", "describe", LOOKUP, "--set", "difficulty"), "--set expects key=value"),
        (("envs", "describe", LOOKUP, "--set", "difficulty=[1"), "--set difficulty"),
        (("rollout", LOOKUP, "--split", "test", "--out", "{}/store"), "--split expects one of"),
        (("report", "{}"), "results.json"),
    ],
)
def test_other_mistakes_are_one_line(arguments, told, reachgym, tmp_path):
    given = [argument.replace("{}", str(tmp_path)) for argument in arguments]
    assert told in refused(reachgym(*given))
    assert not (tmp_path / "store").exists()
