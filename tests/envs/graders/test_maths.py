"""Answers of mathematics: where they are found, what equals what, and what hostile ones can do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from reachgym.envs import Attempt
from reachgym.envs.graders.maths import (
    MOST_CHARACTERS,
    after_hashes,
    boxed,
    difference,
    gsm8k_answer,
    last_number,
    math_answer,
    maths_verifier,
)
from reachgym.envs.types import Task

EQUAL = [
    ("72", "72"),
    ("72", "072"),
    ("72", "72.0"),
    ("72", "72."),
    ("72", "**72**"),
    ("72", "$72"),
    ("72", r"\$72"),
    ("72", r"72\text{ cm}^2"),
    ("1000", "1,000"),
    ("1,000", "1000"),
    ("1000", "1{,}000"),
    ("1000", r"1\!000"),
    ("1/2", "0.5"),
    ("0.5", ".5"),
    ("0.75", r"\tfrac{3}{4}"),
    (r"\frac12", r"\dfrac{1}{2}"),
    (r"\frac{-1}{2}", r"-\frac12"),
    (r"11\frac{1}{2}", "11.5"),
    (r"50\%", "0.5"),
    ("50", r"50\%"),
    (r"10^\circ", "10"),
    ("5", "x=5"),
    ("x=5", "5"),
    ("5", "$5$"),
    ("5", r"\(5\)"),
    ("2x+1", "y=2x+1"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    ("x^2+2x+1", "(x+1)^2"),
    ("2^{10}", "1024"),
    ("3+4i", "4i+3"),
    ("[0,1)", "[0, 1)"),
    (r"(-\infty,2]\cup[3,\infty)", r"[3,\infty)\cup(-\infty,2]"),
    (r"x \in [1,2]", "[1,2]"),
    ("x<3", "3>x"),
    (r"\{1,2\}", r"\{2,1\}"),
    ("1,2", "2,1"),
    (r"\emptyset", r"\varnothing"),
    (
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
        r"\begin{bmatrix}1&2\\3&\frac{8}{2}\end{bmatrix}",
    ),
    (r"\text{(C)}", "C"),
    (r"\text{Evelyn}", "Evelyn"),
]
UNEQUAL = [
    ("72", "73"),
    ("5", "-5"),
    ("3", "13"),
    ("1/2", "0.51"),
    ("1/3", "0.333"),
    (r"\pi", "3.14"),
    (r"\frac{1}{2}", r"\frac{2}{1}"),
    ("[0,1)", "[0,1]"),
    ("(1,2)", "(2,1)"),
    (r"\{1,2\}", r"\{1,2,3\}"),
    ("1", "1 or 2"),
    ("1", r"1\text{ or }2"),
    ("1", "1, 2"),
    ("x<3", "x>3"),
    ("x+1", "x-1"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    (r"\text{even}", r"\text{odd}"),
    ("p-q", "q-p"),
    ("5", ""),
    ("5", "five"),
    ("11", "٣"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_an_answer_that_means_the_same_is_equal(gold, answer):
    assert difference(gold, answer) == ""


@pytest.mark.parametrize(("gold", "answer"), UNEQUAL)
def test_an_answer_that_means_something_else_is_not(gold, answer):
    assert difference(gold, answer) != ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{5}.", "5"),
        (r"\boxed{1} and then \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\text{a } b}", r"\text{a } b"),
        (r"\fbox{7}", "7"),
        (r"it is $\boxed 7$.", "7"),
        (r"it is $\boxed\frac12$.", r"\frac12"),
        (r"\boxed{5", None),
        (r"\boxed{", None),
        (r"\boxed$", None),
        ("5", None),
    ],
)
def test_the_last_box_is_found(text, found):
    assert boxed(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#### 72", "72"),
        ("#### 1\nno,\n#### -1,000 eggs", "-1,000"),
        ("#### $5.50", "5.50"),
        ("72", None),
        ("#### none", None),
    ],
)
def test_the_number_after_the_hashes_is_found(text, found):
    assert after_hashes(text) == found


def test_where_there_are_no_hashes_gsm8k_looks_at_boxes_and_then_at_the_last_number():
    assert gsm8k_answer(r"#### 3 and \boxed{4} or 5") == "3"
    assert gsm8k_answer(r"\boxed{4} or 5") == "4"
    assert gsm8k_answer("4 or 5.") == "5"
    assert gsm8k_answer("I do not know.") is None
    assert last_number("first 3, then -1,234.5.") == "-1,234.5"


def test_math_takes_an_answer_of_one_line_without_a_box():
    assert math_answer(" 3/4\n") == "3/4"
    assert math_answer("It is\n3/4") is None
    assert math_answer(r"\boxed{1} but \boxed{2") is None


def attempt(gold, answer):
    return Attempt(Task("t", "?", gold), (), (), answer)


def test_the_verifier_tells_what_it_found_and_what_it_expected():
    verify = maths_verifier(gsm8k_answer)
    right, wrong = verify(attempt("72", "#### 72")), verify(attempt("72", "#### 73"))
    assert (right.reward, right.passed) == (1, True)
    assert (wrong.reward, wrong.passed) == (0, False)
    assert "'73'" in wrong.explanation
    assert "'72'" in wrong.explanation
    for answer in (None, "I do not know."):
        assert verify(attempt("72", answer)).passed is False


BROKEN = [
    "9**9**9**9",
    r"\frac{" * 100,
    r"\x" * 300,
    "🙂∞√²",
    "5\x00",
    "\ud800",
    "__import__('os')._exit(0)",
    r"\text{__import__('os').system('id')}",
    r"\begin{matrix}" * 50,
    "1" * (MOST_CHARACTERS + 1),
    "9" * 1_000_000,
]


def test_an_answer_that_computes_without_end_is_wrong_and_does_not_hold_up_others():
    with ThreadPoolExecutor(2) as threads:
        hanging = threads.submit(difference, "5", "10^{10^{10}}")
        assert difference("1/2", "0.5") == ""
        assert not hanging.done()
        assert "too long" in hanging.result()


@pytest.mark.parametrize("answer", BROKEN, ids=range(len(BROKEN)))
def test_broken_answers_are_wrong(answer):
    assert difference("5", answer) != ""
    assert maths_verifier(math_answer)(attempt("5", answer)).passed is False


def test_comparisons_work_in_threads():
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: difference(f"{n}/7", rf"\frac{{{n}}}{{7}}"), range(40)))
    assert found == [""] * 40
