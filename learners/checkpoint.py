"""Checkpoints that transformers can read, written whole or not at all, and weights to publish."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, PreTrainedModel

from reachgym.envs.errors import CheckpointError

Weights = Mapping[str, npt.NDArray[np.generic]]


def save_model(model: PreTrainedModel, path: Path) -> None:
    """Write a checkpoint; until it is complete, what stood at `path` stays."""
    partial = path.with_name(f".{path.name}.partial")
    replaced = path.with_name(f".{path.name}.replaced")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    # Deleting takes a while, and half a checkpoint must not stand at `path` meanwhile.
    shutil.rmtree(replaced, ignore_errors=True)
    if path.exists():
        path.replace(replaced)
    partial.replace(path)
    shutil.rmtree(replaced, ignore_errors=True)


def load_model(path: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Read a causal language model from a folder; nothing is looked up on a network.

    Raises:
        CheckpointError: The folder is no checkpoint of a causal language model, or weights of it
            are missing or of another shape than its configuration says.
    """
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


def _refusal(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is no checkpoint of a causal language model ({reason}); give a folder with "
        "config.json and weights, as save_pretrained writes it"
    )


def weights_of(model: PreTrainedModel) -> Weights:
    """The weights as arrays, to be sent through an object store; tied ones once."""
    seen: set[int] = set()
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            arrays[name] = tensor.detach().cpu().numpy().copy()
    return arrays
