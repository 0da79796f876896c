"""The trajectory stores of a run, and the line that every attempt has in a list."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reachgym.envs.errors import InputError
from reachgym.rollout.store_folder import MANIFEST
from reachgym.rollout.store_index import digests_of
from reachgym.rollout.store_rows import StoreRows

_COLUMNS = [
    "family",
    "split",
    "policy",
    "version",
    "task_id",
    "task_hash",
    "seed",
    "reward",
    "stop_reason",
    "action_tokens",
    "tool_calls",
    "tool_errors",
]
_READ = [*_COLUMNS, "env", "passed", "failure_kind", "turn_count", "wall_s"]


@dataclass(frozen=True, slots=True)
class Source:
    """A store of the run: its name in the lists, and its rows."""

    name: str
    rows: StoreRows


def find_stores(run: Path) -> list[Source]:
    """The stores in a folder and in what is below it, by name.

    Raises:
        InputError: There is none.
        StoreError: One is damaged, or of another format.
    """
    run = run.resolve()
    found = sorted(Path(folder) for folder, _, files in os.walk(run) if MANIFEST in files)
    if not found:
        raise InputError(
            f"expected a folder with trajectories, there is no store at or below {run} (no "
            f"{MANIFEST}); give a store's folder or a run's, such as `reachgym bench` writes"
        )
    return [Source(_name(run, folder), StoreRows(folder)) for folder in found]


def summaries(sources: list[Source]) -> pa.Table:
    """One row an attempt, in the order of the stores and of their rows.

    Columns: those of a list's row, and with `n`, `source`, `failures` and `row` the number of the
    row and the place of the attempt.

    Raises:
        StoreError: A store is damaged.
    """
    table = pa.concat_tables([_summary(number, source) for number, source in enumerate(sources)])
    ids = _unique(table["id"].to_pylist())
    table = table.set_column(table.schema.get_field_index("id"), "id", pa.array(ids, pa.string()))
    return table.append_column("n", pa.array(np.arange(table.num_rows)))


def _summary(number: int, source: Source) -> pa.Table:
    read = source.rows.columns(_READ)
    passed = read["passed"]
    outcome = pc.if_else(passed, "passed", "failed")
    kept = read.select([*_COLUMNS, "failures", "row"])
    added = {
        "id": pa.array([digest.hex() for digest in digests_of(read)], pa.string()),
        "store": pa.repeat(source.name, read.num_rows),
        "env": _env_ids(read["env"]),
        "outcome": pc.fill_null(outcome, "unscored"),
        "failure": pc.fill_null(read["failure_kind"], ""),
        "turns": read["turn_count"],
        "seconds": read["wall_s"],
        "source": pa.repeat(number, read.num_rows),
    }
    for name, values in added.items():
        kept = kept.append_column(name, values)
    for name in ("reward", "seconds"):
        # JSON knows no other numbers.
        values = pc.if_else(pc.is_finite(kept[name]), kept[name], None)
        kept = kept.set_column(kept.schema.get_field_index(name), name, values)
    return kept


def _name(run: Path, folder: Path) -> str:
    return run.name if folder == run else folder.relative_to(run).as_posix()


def _env_ids(specs: pa.ChunkedArray) -> pa.Array:
    """The Gymnasium ids in specs, of which there are few."""
    coded = pc.dictionary_encode(specs.combine_chunks())
    names = pa.array([env_spec(spec)[0] for spec in coded.dictionary.to_pylist()], pa.string())
    return names.take(coded.indices)


def env_spec(text: str) -> tuple[str, object]:
    """The id and the keyword arguments of a stored spec; what is no such text is its own id."""
    try:
        match json.loads(text):
            case {"id": str(name), **rest}:
                return name, rest.get("kwargs", {})
    except ValueError:
        pass
    return text, {}


def _unique(ids: list[str]) -> list[str]:
    """Tell apart what several stores hold; the first keeps its id."""
    seen: Counter[str] = Counter()
    told = []
    for name in ids:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return told
