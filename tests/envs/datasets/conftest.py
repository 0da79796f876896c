"""Writers of row files, and a way to play one answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reachgym.envs import Message, ToolCall


def _write(path: Path, rows: list[dict]) -> str:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def write(tmp_path) -> Callable[..., str]:
    """Writes rows to a file of this name, in the format of its suffix; returns its path."""
    return lambda name, rows: _write(tmp_path / name, rows)


@pytest.fixture
def play() -> SimpleNamespace:
    """`play.answer(env, split, index, text)`, and `play.call(env, tool, **arguments)`."""

    def answer(env, split, index, text):
        env.reset(options={"split": split, "index": index})
        return env.step(Message("assistant", text))[-1]["verdict"]

    def call(env, tool, **arguments):
        calls = (ToolCall("c", tool, arguments),)
        return env.step(Message("assistant", tool_calls=calls))[0][0].content

    return SimpleNamespace(answer=answer, call=call)
