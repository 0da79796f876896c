"""The leaderboard in every form, with names that mean harm."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from reachgym.envs.errors import ConfigError
from reachgym.study.bench.analyse import analyse
from reachgym.study.bench.leaderboard import (
    BEGIN,
    END,
    check_marks,
    markdown,
    page,
    put_into,
    show,
    write_all,
)
from reachgym.study.bench.suite import suites_of


@pytest.fixture
def results(config, played):
    return analyse(config, suites_of(config), played(config), None)


def renamed(results, name):
    """The same results, with the oracle under another name."""
    text = results.model_dump_json().replace('"oracle"', json.dumps(name))
    return type(results).model_validate_json(text)


def test_the_best_comes_first_and_is_bold(results):
    lines = markdown(results).splitlines()
    assert lines[0] == "| agent | mean | lookup | compose |"
    assert lines[2].startswith("| oracle | **1.000** | **1.000 (")
    assert lines[3].startswith("| random | 0.")


def test_the_terminal_shows_every_agent(results):
    console = Console(width=60, record=True, file=io.StringIO())
    show(results, console)
    text = console.export_text()
    assert "oracle" in text
    assert "random" in text
    assert "95 %" in text
    assert "4 tasks of an environment, attempts at each: 2" in " ".join(text.split())


def test_the_page_has_the_best_in_bold_and_what_was_asked(results):
    html = page(results)
    assert html.index("<strong>1.000</strong>") < html.index("random")
    assert "4 held_out tasks, 2 attempts of each agent at each" in html


def test_what_is_incomplete_is_told_by_name(results):
    cells = [
        cell.model_copy(update={"missing": 3, "unscored": {"SandboxError": 1}})
        if (cell.agent, cell.suite) == ("random", "lookup")
        else cell
        for cell in results.cells
    ]
    told = "random at lookup: 1 unscored (SandboxError), 3 not made"
    assert told in page(results.model_copy(update={"cells": cells}))
    assert "Incomplete" not in page(results)


def test_the_csv_has_a_row_for_every_agent_and_suite(results, tmp_path):
    write_all(results, tmp_path)
    rows = list(csv.DictReader((tmp_path / "leaderboard.csv").open()))
    assert [(row["agent"], row["suite"]) for row in rows] == [
        ("oracle", "lookup"),
        ("random", "lookup"),
        ("oracle", "compose"),
        ("random", "compose"),
    ]
    assert float(rows[0]["success"]) == 1.0
    assert 0 < float(rows[0]["success low"]) < 1
    assert [float(rows[0][name]) for name in ("pass@1", "pass^1", "pass@2", "pass^2")] == [1] * 4
    assert len(list(csv.DictReader((tmp_path / "comparisons.csv").open()))) == 2


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "=cmd|x", "a|b\u202ec", "[x](y)"])
def test_a_name_is_a_name_everywhere(results, name, tmp_path):
    hostile = renamed(results, name)
    html = page(hostile)
    assert "<script" not in html
    assert "\u202e" not in html
    text = markdown(hostile)
    assert "\u202e" not in text
    assert "<script" not in text.replace("\\<", "")
    assert len({line.replace("\\|", "").count("|") for line in text.splitlines()[:4]}) == 1
    write_all(hostile, tmp_path)
    with (tmp_path / "leaderboard.csv").open() as file:
        assert not any(row["agent"].startswith(("=", "+")) for row in csv.DictReader(file))


def test_a_leaderboard_replaces_the_last_one_between_its_marks(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    put_into(readme, results)
    put_into(readme, results)
    assert readme.read_text() == f"before\n{BEGIN}\n{markdown(results)}{END}\nafter\n"


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + BEGIN])
def test_a_file_without_its_marks_is_left_alone(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ConfigError, match="once each"):
        check_marks(readme)
    with pytest.raises(ConfigError, match="cannot read"):
        check_marks(tmp_path / "missing.md")
