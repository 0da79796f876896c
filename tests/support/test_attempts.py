"""Tables of attempts, from memory and from Parquet, against counting row by row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reachgym.support import TaskCounts
from reachgym.support.attempts import read_attempts, task_counts


class Frame:
    """What is used of a data frame: `in` for column names, `[]` for columns."""

    def __init__(self, columns):
        self.columns = {name: np.asarray(column, dtype=object) for name, column in columns.items()}

    def __contains__(self, name):
        return name in self.columns

    def __getitem__(self, name):
        return self.columns[name]


def table(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    passed = rng.choice([True, False, None], rows, p=[0.3, 0.6, 0.1])
    return {
        "policy": rng.choice(["base", "rl"], rows).tolist(),
        "seed": rng.integers(0, 2, rows).tolist(),
        "family": rng.choice(["search", "code"], rows).tolist(),
        "task": rng.choice(["a", "b", "ü"], rows).tolist(),
        "passed": passed.tolist(),
    }


def counted(columns):
    n, c = Counter(), Counter()
    for *key, passed in zip(*columns.values(), strict=True):
        n[tuple(key)] += passed is not None
        c[tuple(key)] += passed is True
    return [TaskCounts(*key, n[key], c[key]) for key in sorted(n)]


FORMS = {
    "lists": lambda columns: columns,
    "arrays": lambda columns: {name: np.asarray(column) for name, column in columns.items()},
    "data frame": Frame,
    "arrow": pa.table,
    "arrow chunks": lambda columns: pa.concat_tables(
        pa.table({name: column[at : at + 90] for name, column in columns.items()})
        for at in range(0, 400, 90)
    ),
    "arrow dictionaries": lambda columns: pa.concat_tables(
        pa.table(
            {
                name: pa.array(column[at : at + 90]).dictionary_encode()
                if name in ("policy", "task")
                else column[at : at + 90]
                for name, column in columns.items()
            }
        )
        for at in range(0, 400, 90)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_table_gives_the_counts_of_a_plain_loop(form):
    columns = table()
    assert task_counts(FORMS[form](columns)) == counted(columns)


def test_columns_of_other_names_are_not_read():
    columns = table()
    more = {**columns, "answer": [object()] * len(columns["task"])}
    assert task_counts(more) == counted(columns)


def test_a_file_and_a_folder_of_files_are_read_alike(tmp_path):
    columns = table()
    whole, parts = tmp_path / "attempts.parquet", tmp_path / "attempts"
    pq.write_table(pa.table({**columns, "answer": ["x"] * 400}), whole)
    parts.mkdir()
    for at in (0, 150):
        part = {name: column[at : at + 150 + at] for name, column in columns.items()}
        pq.write_table(pa.table(part), parts / f"{at}.parquet")
    assert read_attempts(whole).column_names == list(columns)
    assert task_counts(read_attempts(whole)) == counted(columns)
    assert task_counts(read_attempts(str(parts))) == counted(columns)


def test_folders_named_after_keys_give_those_columns(tmp_path):
    columns = table()
    pq.write_to_dataset(pa.table(columns), tmp_path / "runs", partition_cols=["policy", "seed"])
    assert task_counts(read_attempts(tmp_path / "runs")) == counted(columns)


def test_chance_is_carried_and_must_be_one_per_task():
    columns = {
        "policy": ["rl", "rl"],
        "seed": [0, 0],
        "family": ["f", "f"],
        "task": ["a", "b"],
        "passed": [True, None],
        "chance": [0.25, 0],
    }
    assert task_counts(columns) == [
        TaskCounts("rl", 0, "f", "a", 1, 1, chance=0.25),
        TaskCounts("rl", 0, "f", "b", 0, 0),
    ]
    with pytest.raises(ValueError, match=r"rl on f/a: .* one chance, got 0.0 and 0.25"):
        task_counts({**columns, "task": ["a", "a"]})
    with pytest.raises(ValueError, match=r"chance is a probability, got 1\.5"):
        task_counts({**columns, "chance": [1.5, 0.0]})


def test_attempts_of_which_none_was_scored_count_nothing():
    columns = {name: column[:3] for name, column in table().items()}
    rows = task_counts({**columns, "passed": [None, None, None]})
    assert {(row.n, row.c) for row in rows} == {(0, 0)}
    assert task_counts(pa.table({**columns, "passed": [True] * 3}).slice(3)) == []


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"passed": [1.0] * 400}, "passed must hold true, false or null, got double"),
        ({"passed": [1] * 400}, "passed must hold true, false or null, got int64"),
        ({"seed": [0.5] * 400}, "seed must hold integers, got double"),
        (
            {"seed": [None] + [1] * 399},
            "seed must have a value on every row, got 1 nulls in 400 rows",
        ),
        ({"task": [1] * 400}, "task must hold text, got int64"),
        ({"task": ["a", 1] * 200}, "task must hold text, got a mixture"),
        ({"family": ["a", None] * 200}, "family must have a value on every row, got 200 nulls"),
        ({"policy": ["a"]}, r"columns of one length, got \{'policy': 1, 'seed': 400"),
        ({"chance": ["no"] * 400}, "chance must hold probabilities, got string"),
        ({"chance": [float("nan")] * 400}, "chance must have a value on every row, got 400 nulls"),
    ],
)
def test_a_wrong_column_is_an_error_of_one_line_that_names_it(wrong, text):
    with pytest.raises(ValueError, match=text) as error:
        task_counts({**table(), **wrong})
    assert "\n" not in str(error.value)


def test_what_is_no_table_of_attempts_is_an_error(tmp_path):
    columns = table()
    columns["solved"] = columns.pop("passed")
    pq.write_table(pa.table(columns), tmp_path / "renamed.parquet")
    for read in (
        lambda: task_counts(columns),
        lambda: task_counts(pa.table(columns)),
        lambda: read_attempts(tmp_path / "renamed.parquet"),
    ):
        with pytest.raises(ValueError, match=r"needs the columns .*; it lacks passed\. Rename"):
            read()
    (tmp_path / "notes.txt").write_text("no Parquet")
    with pytest.raises(ValueError, match=r"Expected Parquet files at .*notes.txt"):
        read_attempts(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match=r"attempts\.parquet does not exist"):
        read_attempts(tmp_path / "attempts.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="lacks policy"):
        read_attempts(tmp_path / "empty")
