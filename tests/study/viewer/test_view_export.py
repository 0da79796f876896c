"""The page written to files."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from rich.console import Console

from reachgym.envs.errors import StoreError
from reachgym.study.cli_view import run_view
from reachgym.study.viewer.export import export_run

HIDDEN = re.compile(r"[<>&\x00-\x09\x0b-\x1f\x7f-\U0010ffff]")


def unwrapped(text, begins):
    """The JSON in a script, which must be nothing but JSON in a call or an assignment."""
    assert text.startswith(begins)
    return json.loads(text[len(begins) :].rstrip(");\n"), parse_constant=pytest.fail)


def test_an_export_tells_what_the_server_tells(view, url, tmp_path):
    count = export_run(view, tmp_path / "page")
    index = (tmp_path / "page/data/index.js").read_text("ascii")
    told = unwrapped(index, "window.reachgymExport = ")
    with httpx.Client(base_url=url) as client:
        assert told["run"] == client.get("api/run").json()
        rows = client.get("api/episodes", params={"limit": 1000}).json()["rows"]
        assert told["rows"] == rows
        assert count == len(rows) == sum(many for _, many in told["files"])
        for number, (first, many) in enumerate(told["files"]):
            text = (tmp_path / f"page/data/episodes-{number}.js").read_text("ascii")
            assert HIDDEN.search(text) is None
            episodes = unwrapped(text, f"window.reachgymEpisodes({number},")
            assert len(episodes) == many
            for row, episode in zip(rows[first : first + many], episodes, strict=True):
                assert episode == client.get(f"api/episode/{row['id']}").json()


def test_what_is_there_is_left_as_it_is(view, tmp_path):
    (tmp_path / "page").mkdir()
    with pytest.raises(StoreError, match="expected a new folder"):
        export_run(view, tmp_path / "page")
    assert [*tmp_path.rglob("*")] == [tmp_path / "page"]


def test_nothing_is_left_of_an_export_that_failed(run, tmp_path, view):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not be written"):
        export_run(view, tmp_path / "file" / "page")
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


def test_the_command_writes_the_page_and_says_where(run, tmp_path, capsys):
    run_view(run, port=0, tokenizer=None, export=tmp_path / "page", console=Console())
    assert capsys.readouterr().out == (
        f"Wrote 253 episodes to {tmp_path / 'page'}; "
        f"open {tmp_path / 'page' / 'index.html'} in a browser\n"
    )
