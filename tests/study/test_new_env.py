"""A new package: installed, found, checked, and played on a cluster without further code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TWO_NODES = Path(__file__).parents[1] / "rollout/worlds/two_nodes.py"
BOXES = "my_boxes/MyBoxes-v0"


def run(*command, **env):
    return subprocess.run(
        [sys.executable, *map(str, command)],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "COLUMNS": "200", **{name: str(value) for name, value in env.items()}},
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    made = run("-m", "reachgym", "new-env", "my-boxes", "--path", folder)
    assert made.returncode == 0, made.stderr
    assert f"reachgym check-env {BOXES}" in made.stdout
    return folder / "my-boxes"


@pytest.fixture(scope="module")
def site(package, tmp_path_factory):
    """Where the package is installed, with its entry point, apart from this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    installed = run(*pip, "--target", folder, package)
    assert installed.returncode == 0, installed.stderr
    return folder


def test_an_installed_package_is_listed_and_described_by_its_id_alone(site):
    assert BOXES in run("-m", "reachgym", "envs", "list", PYTHONPATH=site).stdout
    described = run("-m", "reachgym", "envs", "describe", BOXES, PYTHONPATH=site)
    assert "open_box(label)" in described.stdout, described.stderr
    assert BOXES not in run("-m", "reachgym", "envs", "list").stdout


def test_its_own_tests_pass_as_they_were_written(package, site):
    # In its folder the package comes first; what is installed brings the entry point.
    tested = run("-m", "pytest", "-q", package, "-p", "no:cacheprovider", PYTHONPATH=site)
    assert tested.returncode == 0, tested.stdout


def test_its_environment_is_defined_in_twenty_lines(package):
    text = (package / "my_boxes/environment.py").read_text()
    definition = (
        text[text.index("@tool") : text.index("def oracle")] + text[text.index("TASKS =") :]
    )
    assert len([line for line in definition.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("env_id", [BOXES, "my_boxes.environment:my_boxes/MyBoxes-v0"])
def test_it_reaches_the_workers_of_two_nodes_by_itself(site, env_id):
    played = run(TWO_NODES, env_id, PYTHONPATH=site)
    assert played.returncode == 0, played.stderr
    assert json.loads(played.stdout) == [True] * 8


def test_a_broken_package_is_named_and_keeps_no_other_from_being_used(site, tmp_path):
    (tmp_path / "broken_boxes.py").write_text("raise ValueError('half written')\n")
    info = tmp_path / "broken_boxes-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-boxes\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[reachgym.envs]\nbroken = broken_boxes\n")
    path = f"{tmp_path}{os.pathsep}{site}"
    listed = run("-m", "reachgym", "envs", "list", PYTHONPATH=path)
    assert BOXES in listed.stdout
    assert "The plugin broken (broken_boxes) failed: ValueError: half written" in listed.stdout
    unknown = run("-m", "reachgym", "envs", "describe", "broken/Boxes-v0", PYTHONPATH=path)
    assert unknown.returncode == 2
    assert "the plugin broken (broken_boxes) failed: ValueError: half written" in unknown.stderr
    known = run("-m", "reachgym", "envs", "describe", "reachgym/Compose-v0", PYTHONPATH=path)
    assert "half written" not in known.stdout + known.stderr


@pytest.mark.parametrize("name", ["My-Boxes", "1boxes", "a--b", "../boxes", "class", "", "böxes"])
def test_a_name_that_is_no_packages_is_refused(name, tmp_path):
    made = run("-m", "reachgym", "new-env", name, "--path", tmp_path)
    assert (made.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "a name of lowercase letters" in made.stderr


def test_nothing_is_written_over_and_no_folder_is_made_up(tmp_path):
    (tmp_path / "boxes").write_text("mine")
    made = run("-m", "reachgym", "new-env", "boxes", "--path", tmp_path)
    assert (made.returncode, (tmp_path / "boxes").read_text()) == (2, "mine")
    made = run("-m", "reachgym", "new-env", "boxes", "--path", tmp_path / "missing")
    assert "is no folder; make it" in made.stderr
