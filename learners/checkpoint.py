"""Checkpoints that transformers can read, written whole or not at all, and weights to publish."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from reachgym.envs.errors import CheckpointError

Weights = Mapping[str, npt.NDArray[np.generic]]


def save_model(model: PreTrainedModel, path: Path) -> None:
    """Write a checkpoint; until it is complete, what stood at `path` stays."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    if path.exists():
        shutil.rmtree(path)
    partial.replace(path)


def load_model(path: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Read a causal language model from a folder; nothing is looked up on a network.

    Raises:
        CheckpointError: The folder is no checkpoint of a causal language model.
    """
    expected = "a folder with config.json and weights, as save_pretrained writes it"
    if not (path / "config.json").is_file():
        came = "there is no such folder" if not path.is_dir() else "it has no config.json"
        raise CheckpointError(f"{path} is no checkpoint ({came}); give {expected}")
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, local_files_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path} is no checkpoint of a causal language model ({reason}); give {expected}"
        ) from None
    return model


def weights_of(model: PreTrainedModel) -> Weights:
    """The weights as arrays, to be sent through an object store; tied ones once."""
    seen: set[int] = set()
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            arrays[name] = tensor.detach().cpu().numpy().copy()
    return arrays
