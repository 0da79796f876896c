"""Checkpoints: whole or not at all, and refused where they are none."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reachgym.envs.errors import CheckpointError
from reachgym.learners.checkpoint import load_model, save_model, weights_of


def test_a_model_comes_back_to_the_last_bit(make_model, snapshot, tmp_path):
    model = make_model()
    save_model(model, tmp_path / "deep" / "checkpoint")
    assert snapshot(load_model(tmp_path / "deep" / "checkpoint")) == snapshot(model)


def test_a_checkpoint_is_replaced_whole_and_leaves_nothing_beside(make_model, snapshot, tmp_path):
    path = tmp_path / "checkpoint"
    save_model(make_model(0), path)
    (path / "of_the_old_one").touch()
    save_model(make_model(1), path)
    assert snapshot(load_model(path)) == snapshot(make_model(1))
    assert not (path / "of_the_old_one").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint"]


def test_a_write_that_fails_leaves_the_old_checkpoint(make_model, snapshot, tmp_path):
    path = tmp_path / "checkpoint"
    save_model(make_model(0), path)
    broken = make_model(1)
    # Two weights that share half their memory: the writer refuses them after the config is out.
    shared = torch.zeros(17 * 16)
    broken.model.embed_tokens.weight = torch.nn.Parameter(shared[: 16 * 16].view(16, 16))
    broken.model.norm.weight = torch.nn.Parameter(shared[8 * 16 : 9 * 16])
    with pytest.raises(RuntimeError):
        save_model(broken, path)
    assert snapshot(load_model(path)) == snapshot(make_model(0))


def test_a_half_written_checkpoint_is_written_anew(make_model, snapshot, tmp_path):
    path = tmp_path / "checkpoint"
    save_model(make_model(0), path)
    partial = tmp_path / ".checkpoint.partial"
    partial.mkdir()
    (partial / "model.safetensors").write_bytes(b"half")
    (partial / "stray").touch()
    assert snapshot(load_model(path)) == snapshot(make_model(0))
    save_model(make_model(1), path)
    assert snapshot(load_model(path)) == snapshot(make_model(1))
    assert not (path / "stray").exists()
    assert not partial.exists()


@pytest.fixture
def damaged(make_model, tmp_path):
    """A checkpoint in which one thing is wrong."""
    path = tmp_path / "checkpoint"

    def damage(how: str):
        save_model(make_model(), path)
        weights = path / "model.safetensors"
        if how == "no folder":
            shutil.rmtree(path)
        elif how == "no config":
            (path / "config.json").unlink()
        elif how == "garbage config":
            (path / "config.json").write_text("{")
        elif how == "no model type":
            (path / "config.json").write_text("{}")
        elif how == "no weights":
            weights.unlink()
        elif how == "garbage weights":
            weights.write_bytes(b"garbage")
        elif how == "cut weights":
            weights.write_bytes(weights.read_bytes()[:-100])
        elif how == "a weight is missing":
            tensors = load_file(weights)
            del tensors["model.norm.weight"]
            save_file(tensors, weights, {"format": "pt"})
        elif how == "a weight has another shape":
            tensors = load_file(weights)
            tensors["model.norm.weight"] = torch.ones(8)
            save_file(tensors, weights, {"format": "pt"})
        return path

    return damage


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("no folder", "there is no such folder"),
        ("no config", "it has no config.json"),
        ("garbage config", "config.json"),
        ("no model type", "model_type"),
        ("no weights", "model.safetensors"),
        ("garbage weights", "header"),
        ("cut weights", "incomplete"),
        ("a weight is missing", "model.norm.weight"),
        ("a weight has another shape", "model.norm.weight"),
    ],
)
def test_what_is_no_checkpoint_is_refused(damaged, how, told):
    path = damaged(how)
    with pytest.raises(CheckpointError, match="save_pretrained") as caught:
        load_model(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_weights_to_publish_are_copies_with_tied_ones_once(make_model):
    model = make_model()
    weights = weights_of(model)
    assert {"model.embed_tokens.weight", "lm_head.weight"} & weights.keys() == {
        "model.embed_tokens.weight"
    }
    before = weights["model.norm.weight"].copy()
    with torch.no_grad():
        model.model.norm.weight.add_(1)
    np.testing.assert_array_equal(weights["model.norm.weight"], before)
