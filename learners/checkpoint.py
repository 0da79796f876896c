"""Checkpoints that transformers can read, written whole or not at all, and weights to publish."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, PreTrainedModel

from reachgym.envs.errors import CheckpointError
from reachgym.envs.types import JSON
from reachgym.learners.batch import Learner, LearnerState

Weights = Mapping[str, npt.NDArray[np.generic]]

_TRAINING = "training.pt"


@dataclass(frozen=True, slots=True)
class Training:
    """A training that can go on.

    Attributes:
        model: The model, on the CPU.
        learner: For `Learner.restore` of a learner of the same kind and settings.
        metadata: What the caller saved beside them.
    """

    model: PreTrainedModel
    learner: LearnerState
    metadata: Mapping[str, JSON]


def save_model(model: PreTrainedModel, path: Path) -> None:
    """Write a checkpoint; until it is complete, what stood at `path` stays."""
    _write(path, model.save_pretrained)


def save_checkpoint(
    model: PreTrainedModel, learner: Learner, metadata: Mapping[str, JSON], path: Path
) -> None:
    """Write a model with what its learner needs to go on; `load_model` reads it as well.

    Where torch's own generators matter (dropout), seeding them is the caller's.
    """

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        torch.save({"learner": learner.state(), "metadata": dict(metadata)}, folder / _TRAINING)

    _write(path, write)


def _write(path: Path, write: Callable[[Path], None]) -> None:
    partial, replaced = _aside(path, "partial"), _aside(path, "replaced")
    shutil.rmtree(partial, ignore_errors=True)
    write(partial)
    for file in partial.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    # Deleting takes a while, and half a checkpoint must not stand at `path` meanwhile. After a
    # kill between the two renames `replaced` is the last whole one, and stays until a new one is.
    if path.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        path.replace(replaced)
    partial.replace(path)
    shutil.rmtree(replaced, ignore_errors=True)


def _aside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")


def _standing(path: Path) -> Path:
    """Where the last whole checkpoint is: aside, if its writer was killed between two renames."""
    replaced = _aside(path, "replaced")
    return replaced if replaced.is_dir() and not path.exists() else path


def load_model(path: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Read a causal language model from a folder; nothing is looked up on a network.

    Raises:
        CheckpointError: The folder is no checkpoint of a causal language model, or weights of it
            are missing or of another shape than its configuration says.
    """
    path = _standing(path)
    if not (path / "config.json").is_file():
        raise _refusal(
            path, "it has no config.json" if path.is_dir() else "there is no such folder"
        )
    try:
        model: PreTrainedModel
        model, found = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=dtype,
            local_files_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _refusal(path, " ".join(str(error).split())[:200]) from None
    # transformers only warns of these, and draws the weights at random.
    if found["missing_keys"]:
        raise _refusal(path, f"it lacks the weights {', '.join(sorted(found['missing_keys'])[:3])}")
    if found["mismatched_keys"]:
        name, came, expected = sorted(found["mismatched_keys"])[0]
        raise _refusal(path, f"{name} has shape {tuple(came)}, not {tuple(expected)}")
    return model


def load_checkpoint(path: Path, dtype: torch.dtype = torch.float32) -> Training:
    """Read what `save_checkpoint` wrote.

    Raises:
        CheckpointError: It holds no model, or nothing to go on with.
    """
    model = load_model(path, dtype)
    training = _standing(path) / _TRAINING
    if not training.is_file():
        raise CheckpointError(
            f"{path} holds a model and no {_TRAINING} to go on with; give a checkpoint that "
            "save_checkpoint wrote, or start a new training from it with load_model"
        )
    try:
        # weights_only: a checkpoint from elsewhere must not run code.
        saved = torch.load(training, map_location="cpu", weights_only=True)
        return Training(model, saved["learner"], saved["metadata"])
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{training} cannot be read ({reason}); give a checkpoint that save_checkpoint wrote"
        ) from None


def _refusal(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is no checkpoint of a causal language model ({reason}); give a folder with "
        "config.json and weights, as save_pretrained writes it"
    )


def weights_of(model: PreTrainedModel) -> Weights:
    """The weights as arrays, to be sent through an object store; tied ones once.

    bfloat16, which NumPy lacks, goes as float32, from which it comes back to the last bit.
    """
    seen: set[int] = set()
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            held = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
            arrays[name] = held.cpu().numpy().copy()
    return arrays
