"""Connecting says at once what is wrong, and the cluster's description is one that Ray takes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from reachgym.envs.errors import ConfigError
from reachgym.rollout.cluster import connect, guarded_stdout
from reachgym.study.config.loading import load_config

CONFIGS = Path(__file__).parents[2] / "configs"


def test_a_working_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"the working directory .*nowhere is no folder"):
        connect(working_dir=tmp_path / "nowhere")


@pytest.mark.skipif(
    importlib.util.find_spec("opencensus") is not None, reason="the dashboard is installed"
)
def test_a_dashboard_that_is_not_installed_is_not_promised():
    with pytest.raises(ConfigError, match=r"opencensus.*pip install 'ray\[default\]'"):
        connect(dashboard=True)


def test_what_others_print_does_not_reach_the_guarded_stdout(capsys):
    with guarded_stdout() as out:
        print("news of a node")
        print("the result", file=out)
    sys.stdout.write("and after it")
    assert capsys.readouterr() == ("the result\nand after it", "news of a node\n")


def test_ray_takes_the_description_of_the_cluster():
    described = yaml.safe_load((CONFIGS / "cluster.yaml").read_text())
    validate_config(prepare_config(described))
    with pytest.raises(Exception, match="max_wrokers"):
        validate_config(prepare_config(described | {"max_wrokers": 1}))


def test_the_study_for_the_cluster_is_whole():
    study = load_config(CONFIGS / "cluster-study.yaml")
    assert study.resources.address == "auto"
