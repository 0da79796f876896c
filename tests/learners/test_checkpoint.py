"""Checkpoints: whole or not at all, and refused where they are none."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reachgym.envs.errors import CheckpointError
from reachgym.learners.checkpoint import (
    load_checkpoint,
    load_model,
    save_checkpoint,
    save_model,
    weights_of,
)
from reachgym.learners.settings import SFTConfig
from reachgym.learners.sft import SFTLearner


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


def test_bfloat16_weights_are_published_and_come_back_to_the_last_bit(make_model):
    model = make_model().to(torch.bfloat16)
    weights = weights_of(model)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    for name, array in weights.items():
        assert torch.equal(torch.tensor(array).to(torch.bfloat16), model.state_dict()[name])


def test_a_model_without_a_training_cannot_go_on(make_model, tmp_path):
    save_model(make_model(), tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match="save_checkpoint"):
        load_checkpoint(tmp_path / "checkpoint")


@pytest.mark.parametrize("how", ["garbage", "cut", "code", "another's"])
def test_a_damaged_training_is_refused(make_model, tmp_path, how):
    path, model = tmp_path / "checkpoint", make_model()
    save_checkpoint(model, SFTLearner(model, SFTConfig()), {}, path)
    training = path / "training.pt"
    whole = training.read_bytes()
    if how == "garbage":
        training.write_bytes(b"garbage")
    elif how == "cut":
        training.write_bytes(whole[: len(whole) // 2])
    elif how == "code":
        torch.save({"learner": shutil.rmtree, "metadata": {}}, training)
    else:
        torch.save({"optimizer": {}}, training)
    with pytest.raises(CheckpointError, match=r"training\.pt cannot be read"):
        load_checkpoint(path)


def test_a_training_is_replaced_by_a_bare_model_whole(make_model, tmp_path):
    path, model = tmp_path / "checkpoint", make_model()
    save_checkpoint(model, SFTLearner(model, SFTConfig()), {}, path)
    save_model(model, path)
    assert not (path / "training.pt").exists()


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from reachgym.learners.checkpoint import load_model, save_model

def build(seed):
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=8,
        num_hidden_layers=1, num_attention_heads=2, tie_word_embeddings=True))

def kill_at(last):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        writes = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in "wxa"
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir") or writes:
            seen += 1
            if seen > last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

torch.set_num_threads(1)
old, new = build(0), build(1)

def try_kills(start):
    # Kill one writer at its first change of the disk, the next at its second, until one ends.
    path = Path(sys.argv[1]) / start
    save_model(old, path)
    killed, last = True, 0
    while killed:
        if start == "whole":
            save_model(old, path)
        child = os.fork()
        if child == 0:
            kill_at(last)
            save_model(new, path)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        found = load_model(path).model.embed_tokens.weight
        which = "old" if torch.equal(found, old.model.embed_tokens.weight) else "new"
        assert which == "old" or torch.equal(found, new.model.embed_tokens.weight)
        print(start, killed, which)
        last += 1

# Each writer finds a whole checkpoint, or what the killed one before it left.
try_kills("whole")
try_kills("remains")
"""


def test_a_writer_killed_anywhere_leaves_a_whole_checkpoint(tmp_path):
    command = [sys.executable, "-c", KILLED_WRITER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for start in ("whole", "remains"):
        lines = [line.split() for line in done.stdout.splitlines() if line.startswith(start)]
        outcomes = [(killed, which) for _, killed, which in lines]
        assert outcomes[0] == ("True", "old")
        assert outcomes[-1] == ("False", "new")
        assert [which for _, which in outcomes] == sorted((w for _, w in outcomes), reverse=True)
        assert len(outcomes) > 6
