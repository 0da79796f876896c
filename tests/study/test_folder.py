"""A study's folder: fresh, continued, another's, damaged."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import StoreError
from reachgym.study.config.loading import load_config
from reachgym.study.folder import StudyFolder, write_atomically


@pytest.fixture
def config(small_config):
    return load_config(small_config)


def names(path):
    return sorted(entry.name for entry in path.rglob("*"))


def test_a_fresh_folder_is_made_with_its_parents(config, tmp_path):
    folder = StudyFolder.open(tmp_path / "a" / "b", config)
    assert names(folder.path) == ["config.json"]
    assert folder.result("base/seed-0") is None


def test_an_empty_folder_is_used(config, tmp_path):
    (tmp_path / "empty").mkdir()
    assert StudyFolder.open(tmp_path / "empty", config).path.is_dir()


def test_the_same_study_is_continued_whatever_its_resources(small_config, config, tmp_path):
    first = StudyFolder.open(tmp_path / "out", config)
    first.begin("base/seed-0")
    first.finish("base/seed-0", {"updates": 5})
    again = StudyFolder.open(tmp_path / "out", load_config(small_config, ["resources.lanes=7"]))
    assert again.result("base/seed-0") == {"updates": 5}


def test_another_study_is_refused_with_the_keys_that_differ(small_config, config, tmp_path):
    StudyFolder.open(tmp_path / "out", config)
    other = load_config(small_config, ["world.seed=7", "arms.rl.steps=3"])
    with pytest.raises(StoreError, match=r"differs in arms\.rl\.steps, world\.seed\)"):
        StudyFolder.open(tmp_path / "out", other)


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(config, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="is no study's folder; choose another with --out"):
        StudyFolder.open(tmp_path, config)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert "config.json" not in names(tmp_path)


def test_a_file_is_refused(config, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="no study's folder"):
        StudyFolder.open(tmp_path / "file", config)


def test_a_stage_is_done_only_once_it_is_finished(config, tmp_path):
    folder = StudyFolder.open(tmp_path / "out", config)
    stage = folder.begin("arm/rl/seed-0")
    (stage / "half").write_text("x")
    assert folder.result("arm/rl/seed-0") is None
    folder.finish("arm/rl/seed-0", {"a": [1, 2.5, None]})
    assert folder.result("arm/rl/seed-0") == {"a": [1, 2.5, None]}


def test_beginning_again_removes_what_an_interrupted_try_left(config, tmp_path):
    folder = StudyFolder.open(tmp_path / "out", config)
    (folder.begin("arm/rl/seed-0") / "half").write_text("x")
    assert names(folder.begin("arm/rl/seed-0")) == []


@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_a_damaged_marker_is_told_with_its_path(content, config, tmp_path):
    folder = StudyFolder.open(tmp_path / "out", config)
    folder.begin("base/seed-0")
    marker = folder.stage("base/seed-0") / "done.json"
    marker.write_text(content)
    with pytest.raises(StoreError, match=r"done\.json is damaged") as caught:
        folder.result("base/seed-0")
    assert "\n" not in str(caught.value)


def test_a_damaged_record_of_the_study_is_told(config, tmp_path):
    StudyFolder.open(tmp_path / "out", config)
    (tmp_path / "out" / "config.json").write_text("{")
    with pytest.raises(StoreError, match=r"config\.json is damaged"):
        StudyFolder.open(tmp_path / "out", config)


def test_writing_leaves_the_old_text_until_the_new_is_whole(tmp_path):
    target = tmp_path / "results.json"
    write_atomically(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(target, "new \ud800")
    assert target.read_text() == "old"
    write_atomically(target, "new")
    assert target.read_text() == "new"
