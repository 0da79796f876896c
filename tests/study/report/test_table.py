"""Tables: what is on the page is in the file, and no text of a file is computed."""

import csv
import io
from urllib.parse import unquote

import pytest

from reachgym.study.report.table import Table, cell
from reachgym.study.results import Interval

HALF = Interval(estimate=0.5, low=0.25, high=0.75, n=41)


def read(table):
    return list(csv.reader(io.StringIO(table.csv())))


def test_the_link_holds_the_file():
    table = Table("pass@k", ("arm", "k"), [('a "quoted", é\nlabel & <tag>#?%', 1)])
    head, data = table.link.split(",", 1)
    assert head == "data:text/csv;charset=utf-8"
    assert unquote(data) == table.csv()
    assert not set(data) & set("\"'<>#?& \n")
    assert read(table) == [["arm", "k"], ['a "quoted", é\nlabel & <tag>#?%', "1"]]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(1)", " =1", "\t=1", "=cmd|' /C calc'!A0"]
)
def test_text_that_a_spreadsheet_would_compute_is_made_text(text):
    (_, row) = read(Table("t", ("label",), [(text,)]))
    assert row == [f"'{text}"]


def test_a_column_named_like_a_formula_is_made_text():
    assert read(Table("t", ("a", "=b"), [("x", HALF)]))[0][1:3] == ["'=b", "'=b low"]


def test_numbers_stay_numbers():
    (_, row) = read(Table("t", ("a", "b", "c", "d"), [(-1, -0.25, 1e-9, None)]))
    assert row == ["-1", "-0.25", "1e-09", ""]


def test_an_interval_is_four_columns_also_where_it_is_missing():
    head, whole, missing = read(Table("t", ("arm", "p", "n"), [("a", HALF, 3), ("b", None, 4)]))
    assert head == ["arm", "p", "p low", "p high", "p n", "n"]
    assert whole == ["a", "0.5", "0.25", "0.75", "41", "3"]
    assert missing == ["b", "", "", "", "", "4"]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("pass@k on lookup-2", "pass-k-on-lookup-2.csv"),
        ("../../etc/passwd\x00", "etc-passwd.csv"),
        ("CON: \u202egnp", "con-gnp.csv"),
        ("\u202e", "data.csv"),
        ("x" * 500, "x" * 60 + ".csv"),
    ],
)
def test_a_file_name_is_plain_whatever_the_title_holds(title, name):
    assert Table(title, ("a",), []).file_name == name


def test_characters_that_one_cannot_see_are_written_out():
    assert cell("a\u202eb") == "a<U+202E>b"
    assert read(Table("t", ("a",), [("a\u202eb",)]))[1] == ["a<U+202E>b"]


def test_a_cell_says_what_an_interval_stands_on_and_that_nothing_is_none():
    assert cell(HALF) == "0.500 <small>(0.250 to 0.750, n=41)</small>"
    assert cell(None) == "none"
    assert cell(12_345) == "12,345"


def test_the_page_shows_a_part_of_a_long_table_and_the_file_all():
    table = Table("t", ("a",), [(str(i),) for i in range(30)], most_rows=24)
    assert len(table.shown) == 24
    assert len(read(table)) == 1 + 30


def test_only_columns_of_bare_numbers_stand_to_the_right():
    table = Table("t", ("a", "b", "c", "d"), [(1, 2, HALF, None), (1, None, HALF, "x")])
    assert table.numeric == {1}
