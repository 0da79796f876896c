"""Rows of tasks for SkyRL and verl, as Parquet: prompts, ground truths and where they come from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reachgym.envs.errors import InputError
from reachgym.envs.types import JSON, SPLITS, Message, Task
from reachgym.rollout.formats.reading import (
    FieldError,
    an_object,
    many,
    maybe,
    number,
    one_of,
    record,
    text,
)
from reachgym.rollout.formats.tasks import PosedTask, checked, files_of

_ROWS_AT_ONCE = 1000
_ENV_CLASS = "reachgym"
_PROMPT = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
_EXTRA = pa.struct(
    {
        "index": pa.int64(),
        "split": pa.string(),
        "task_id": pa.string(),
        "family": pa.string(),
        "task_hash": pa.string(),
        "env": pa.string(),
        "chance": pa.float64(),
        "files": pa.string(),
    }
)


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How one trainer names the columns of its rows.

    Attributes:
        truth: The column that holds the ground truth.
        kind: The field beside the ground truth that says how it is used, always `"rule"`.
        schema: The columns.
    """

    truth: str
    kind: str
    schema: pa.Schema


SKYRL = RowFormat(
    "reward_spec",
    "method",
    pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", _PROMPT),
            ("env_class", pa.string()),
            ("reward_spec", pa.struct({"method": pa.string(), "ground_truth": pa.string()})),
            ("extra_info", _EXTRA),
        ]
    ),
)
VERL = RowFormat(
    "reward_model",
    "style",
    pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", _PROMPT),
            ("ability", pa.string()),
            ("reward_model", pa.struct({"style": pa.string(), "ground_truth": pa.string()})),
            ("extra_info", _EXTRA),
        ]
    ),
)


def write_rows(path: Path, items: Iterable[PosedTask], form: RowFormat) -> int:
    """Write a row for each task, a lone surrogate as `?`; returns how many there are.

    The gold answer goes into the ground truth and nowhere else; metadata, which may tell it, stays
    behind. The opening's system message stands first in `prompt`.
    """
    rows = (_row(index, item, form) for index, item in enumerate(items))
    count = 0
    with pq.ParquetWriter(path, form.schema, compression="zstd") as writer:
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, form.schema))
            count += len(batch)
    return count


def read_rows(path: Path, form: RowFormat) -> Iterator[PosedTask]:
    """The tasks of a file of rows, also of one that was made elsewhere.

    Raises:
        InputError: The file is no Parquet, or a row is wrong; it names the file and the row.
    """
    number_of_row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    number_of_row += 1
                    yield _read_row(row, number_of_row, form)
    except FieldError as error:
        raise InputError(f"{path}, row {number_of_row}: {error}") from None
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(f"{path}: expected a Parquet file of rows, got: {said}") from error


def _row(index: int, item: PosedTask, form: RowFormat) -> dict[str, Any]:
    task = item.task
    opening = [Message("system", item.system)] if item.system else []
    opening.append(Message("user", task.prompt))
    row = {
        "data_source": _source(item.env),
        "prompt": [{"role": m.role, "content": _clean(m.content)} for m in opening],
        form.truth: {form.kind: "rule", "ground_truth": _clean(task.gold)},
        "extra_info": {
            "index": index,
            "split": task.split,
            "task_id": _clean(task.id),
            "family": _clean(task.family),
            "task_hash": item.task_hash,
            "env": item.env,
            "chance": task.chance,
            "files": json.dumps(dict(task.files)),
        },
    }
    own = {"env_class": _ENV_CLASS, "ability": _clean(task.family)}
    return {**row, **{name: value for name, value in own.items() if name in form.schema.names}}


def _read_row(row: Mapping[str, Any], position: int, form: RowFormat) -> PosedTask:
    system, prompt = _read_prompt(row.get("prompt"))
    truth = an_object(row.get(form.truth), form.truth)
    extra = an_object(row.get("extra_info") or {}, "extra_info")
    source = maybe(text)(row.get("data_source"), "data_source") or _ENV_CLASS
    task = Task(
        id=_told(extra, "task_id", f"{source}/{position}"),
        prompt=prompt,
        gold=_read_truth(truth.get("ground_truth"), f"{form.truth}.ground_truth"),
        family=_told(extra, "family", source),
        split=one_of(SPLITS)(_split(extra.get("split")), "extra_info.split"),
        files=files_of(_decoded(_told(extra, "files", "{}")), "extra_info.files"),
        chance=number(extra.get("chance") or 0.0, "extra_info.chance"),
    )
    task_hash = _told(extra, "task_hash", task.hash)
    return PosedTask(checked(task, ""), task_hash, _told(extra, "env", ""), system)


def _read_prompt(value: object) -> tuple[str, str]:
    entry = record(Message, role=one_of(("system", "user", "assistant", "tool")), content=text)
    messages = many(entry)(value, "prompt")
    roles = [message.role for message in messages]
    if roles not in (["user"], ["system", "user"]):
        raise FieldError("prompt", "a user message, or a system and a user message", roles)
    return (messages[0].content if len(messages) > 1 else ""), messages[-1].content


def _read_truth(value: object, where: str) -> str:
    """The ground truth as text; what is no text is written as JSON."""
    if value is None:
        raise FieldError(where, "a ground truth", value)
    try:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except TypeError:
        raise FieldError(where, "text or JSON", value) from None


def _split(value: object) -> object:
    """The split, in this project's words; others call the last one `test`."""
    if value is None:
        return "train"
    return {"test": "held_out", "val": "validation"}.get(str(value), value)


def _told(extra: Mapping[str, JSON], name: str, default: str) -> str:
    told = maybe(text)(extra.get(name), f"extra_info.{name}")
    return default if told is None else told


def _decoded(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        raise FieldError("extra_info.files", "JSON text", value) from None


def _source(env: str) -> str:
    """The id of the environment, by which a trainer chooses how to score."""
    try:
        return str(json.loads(env)["id"])
    except (ValueError, KeyError, TypeError):
        return _ENV_CLASS


def _clean(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
