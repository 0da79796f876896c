"""What the command line says at the end: a table a base, within eighty columns."""

import io
from pathlib import Path

from rich.console import Console

from reachgym.study.summary import print_summary


def said(results):
    out = io.StringIO()
    print_summary(results, Path("runs/crafted"), Console(file=out, width=80, color_system=None))
    return out.getvalue()


def tables(text):
    return [line for line in text.splitlines() if not line.startswith("Report: ")]


def test_every_base_has_a_table_of_its_own_arms(results):
    text = said(results)
    first, second = text.split("What training did, within 64 attempts a task, from")[1:]
    assert "RL, tools" in first
    assert "the taught" not in first
    assert "the taught" in second


def test_one_base_has_one_table_that_does_not_name_it(one_base):
    text = said(one_base)
    assert text.count("What training did, within 64 attempts a task") == 1
    assert "from base" not in text
    assert "4 created of 6" in text


def test_it_stays_within_eighty_columns(results):
    assert max(map(len, tables(said(results)))) <= 80


def test_labels_are_text_whatever_markup_they_hold(results):
    assert "[bold]" in "".join(said(results).split("│")).replace("\n", "")
