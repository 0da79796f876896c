"""From a table of single attempts, in memory or in Parquet, to counts per task.

A table has one row per attempt and the columns

    policy   text       the base's or the arm's name
    seed     integer    which training run of it
    family   text       the family of the task
    task     text       the task, unique within its family
    passed   boolean    what the verifier said; null where the attempt could not be scored
    chance   number     optional: an upper bound on success without the task's information

and may have others, which are not read. How many attempts a task gets must not have depended on
their outcomes; where it did, fill `TaskCounts.drawn` and `solved` yourself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import ArrayLike

from reachgym.support.counts import TaskCounts

TEXTS = ("policy", "family", "task")
KEYS = ("policy", "seed", "family", "task")
REQUIRED = (*KEYS, "passed")
OPTIONAL = ("chance",)


class Columns(Protocol):
    """Columns by name: a pandas or polars data frame, a dict of arrays, a `pyarrow.Table`."""

    def __contains__(self, name: object, /) -> bool: ...

    def __getitem__(self, name: str, /) -> ArrayLike: ...


def task_counts(attempts: Columns | pa.Table) -> list[TaskCounts]:
    """Attempts scored and solved per policy, seed, family and task, sorted in that order.

    A task none of whose attempts was scored has n = 0. Ten million attempts take seconds; text
    columns that are dictionary-encoded (as `read_attempts` gives them) take the least.

    Args:
        attempts: One row per attempt, columns as above, all of one length.

    Raises:
        ValueError: A column is missing or of the wrong type, a key is null, or the attempts of one
            task declare different chances.
    """
    table = _checked(attempts).unify_dictionaries()
    sums = [("passed", "count"), ("passed", "sum")]
    if "chance" in table.column_names:
        sums += [("chance", "min"), ("chance", "max")]
    groups = table.group_by(list(KEYS)).aggregate(sums)
    columns = [groups[key].to_pylist() for key in KEYS]
    columns.append(groups["passed_count"].to_pylist())
    columns.append(pc.fill_null(groups["passed_sum"], 0).to_pylist())
    if "chance" in table.column_names:
        columns.append(_one_chance(groups))
    return [TaskCounts(*row) for row in sorted(zip(*columns, strict=True))]


def read_attempts(path: str | Path) -> pa.Table:
    """The table of attempts in a Parquet file, or in all Parquet files below a folder.

    Only the columns above are read, text as dictionaries. Folders named `policy=base` or `seed=0`
    give those columns (Hive partitioning).

    Raises:
        ValueError: There is no such file, it is no Parquet file, or a column is missing.
    """
    if not Path(path).exists():
        raise ValueError(f"Expected a Parquet file or a folder of them, {path} does not exist.")
    try:
        known = ds.dataset(path, format="parquet", partitioning="hive").schema
        _require(known.names)
        texts = [name for name in TEXTS if pa.types.is_string(known.field(name).type)]
        encoded = ds.ParquetFileFormat(read_options={"dictionary_columns": texts})
        files = ds.dataset(path, format=encoded, partitioning="hive")
        return files.to_table([name for name in (*REQUIRED, *OPTIONAL) if name in known.names])
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"Expected Parquet files at {path}, could not read them: {_first_line(error)}"
        ) from error


def _checked(attempts: Columns | pa.Table) -> pa.Table:
    """The columns that count, each of its type and the keys without nulls."""
    if isinstance(attempts, pa.Table):
        _require(attempts.column_names)
        attempts = {name: attempts[name] for name in attempts.column_names}
    _require([name for name in REQUIRED if name in attempts])
    named = [name for name in (*REQUIRED, *OPTIONAL) if name in attempts]
    columns = {name: _column(name, attempts[name]) for name in named}
    rows = {name: len(column) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        raise ValueError(f"A table of attempts needs columns of one length, got {rows}.")
    return pa.table(columns)


def _require(names: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ValueError(
            f"A table of attempts needs the columns {', '.join(REQUIRED)}; it lacks"
            f" {', '.join(missing)}. Rename or add them."
        )


def _column(name: str, values: ArrayLike | pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    column = _to_arrow(name, values)
    if name != "passed" and column.null_count:
        raise ValueError(
            f"Column {name} must have a value on every row, got {column.null_count:,} nulls in"
            f" {len(column):,} rows; fill them in or drop those rows."
        )
    if name == "passed" and pa.types.is_null(column.type):
        column = column.cast(pa.bool_())
    expected, holds, remedy = _TYPES[name]
    if not holds(_value_type(column)):
        raise ValueError(f"Column {name} must hold {expected}, got {column.type}; {remedy}.")
    return column.dictionary_encode() if name in TEXTS else column


def _to_arrow(name: str, values: ArrayLike | pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(values, pa.ChunkedArray):
        return values
    if isinstance(values, pa.Array):
        return pa.chunked_array([values])
    try:
        # NumPy would turn a list of text and numbers into text without a word.
        plain = values if isinstance(values, list) else np.asarray(values)
        return pa.chunked_array([pa.array(plain, from_pandas=True)])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"Column {name} must hold {_TYPES[name][0]}, got a mixture: {_first_line(error)}"
        ) from error


def _one_chance(groups: pa.Table) -> list[float]:
    differ = pc.not_equal(groups["chance_min"], groups["chance_max"])
    if pc.any(differ).as_py():
        first = groups.filter(differ).slice(0, 1).to_pylist()[0]
        raise ValueError(
            f"{first['policy']} on {first['family']}/{first['task']}: all attempts of a task share"
            f" one chance, got {first['chance_min']} and {first['chance_max']}; declare the largest"
            " on every row."
        )
    chances: list[float] = groups["chance_max"].to_pylist()
    return chances


def _value_type(column: pa.ChunkedArray) -> pa.DataType:
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


_NAMES = ("text", _is_text, "convert it to strings")
_TYPES: dict[str, tuple[str, Callable[[pa.DataType], bool], str]] = {
    "policy": _NAMES,
    "seed": ("integers", pa.types.is_integer, "number the training runs 0, 1, 2"),
    "family": _NAMES,
    "task": _NAMES,
    "passed": ("true, false or null", pa.types.is_boolean, "put a threshold on a graded score"),
    "chance": ("probabilities", _is_number, "give a number within [0, 1]"),
}
