"""The page, in a browser."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from reachgym.study.viewer.export import export_run


@pytest.fixture(scope="session")
def exported(view, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "page"
    export_run(view, folder)
    return (folder / "index.html").as_uri()


@pytest.fixture(params=["server", "export"])
def address(request):
    """The page of the server, and the one that was written to files."""
    return request.getfixturevalue("url" if request.param == "server" else "exported")


def rows(page):
    page.wait_for_selector("tbody tr, .empty")
    return page.eval_on_selector_all("tbody tr", "all => all.map(row => row.dataset.id)")


def total(page, expected):
    page.wait_for_function(
        "text => document.getElementById('total')?.textContent === text", arg=expected
    )


def test_filters_count_sort_and_page_and_the_address_keeps_them(page, address):
    page.goto(address)
    total(page, "253 episodes")
    assert len(rows(page)) == 100
    page.get_by_label("oracle").check()
    total(page, "20 episodes")
    assert page.locator("[data-name=policy] li").count() == 4
    page.locator("[data-facet=policy][data-value=rl]").check()
    total(page, "97 episodes")
    assert "policy=oracle&policy=rl" in page.url
    page.locator("[data-facet=outcome][data-value=failed]").check()
    total(page, "57 episodes")
    page.locator("[data-sort=seconds]").click()
    page.wait_for_selector("th[aria-sort=descending]")
    longest = rows(page)[0]
    page.reload()
    total(page, "57 episodes")
    assert rows(page)[0] == longest
    page.get_by_text("Clear all").click()
    total(page, "253 episodes")
    page.get_by_role("link", name="Next").click()
    page.get_by_text("101\u2013200 of 253").wait_for()
    page.go_back()
    page.get_by_text("1\u2013100 of 253").wait_for()


def test_a_task_is_searched_for_with_the_keyboard(page, address):
    page.goto(address)
    rows(page)
    page.keyboard.press("/")
    page.keyboard.type("lookup/2")
    page.keyboard.press("Enter")
    total(page, "50 episodes")
    assert f"task={quote('lookup/2', safe='')}" in page.url
    assert page.evaluate("document.activeElement.id") == "search"


def test_keys_lead_through_the_list_and_back(page, address):
    page.goto(address + "#/episodes?policy=oracle")
    total(page, "20 episodes")
    ids = rows(page)
    for key in ("j", "j", "k", "j", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector(f"article[data-id='{ids[1]}']")
    page.get_by_text("number 2 of the list").wait_for()
    page.keyboard.press("n")
    page.wait_for_selector(f"article[data-id='{ids[2]}']")
    page.keyboard.press("p")
    page.wait_for_selector(f"article[data-id='{ids[1]}']")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.turn") == "1"
    page.keyboard.press("Escape")
    page.wait_for_selector(f"tr.selected[data-id='{ids[1]}']")
    assert page.url.endswith("#/episodes?policy=oracle")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def test_a_deep_link_shows_the_episode_and_back_leads_back(page, address):
    page.goto(address)
    name = rows(page)[4]
    page.goto(f"{address}#/episode/{name}?outcome=passed")
    page.wait_for_selector("article")
    text = page.inner_text("main")
    for part in ("lookup/4", "Question 4?", "found 4", '"query": "q4"', "as it should be", "a4"):
        assert part in text
    assert text.count("found 4") == 1
    assert not page.get_by_text("thought 4").is_visible()
    page.get_by_text("Reasoning (9 characters)").first.click()
    assert page.get_by_text("thought 4").is_visible()
    page.get_by_text("number 2 of the list").wait_for()
    page.locator("#back").click()
    total(page, "78 episodes")
    page.go_back()
    page.wait_for_selector(f"article[data-id='{name}']")


def test_tokens_are_shaded_by_how_likely_they_were(page, address, attempts):
    page.goto(address)
    name = rows(page)[3]
    page.goto(f"{address}#/episode/{name}")
    page.wait_for_selector("article")
    assert page.locator(".token").count() == 0
    page.keyboard.press("t")
    page.wait_for_selector(".token")
    shown = page.locator(".turn").first.locator(".text .token")
    assert "".join(shown.all_text_contents()) == "[s:q3]"
    bounds = [-0.1, -0.7, -2.3, -4.6, float("-inf")]
    logprobs = attempts[3][1].turns[0].completion.logprobs
    levels = [next(i for i, least in enumerate(bounds) if value >= least) for value in logprobs]
    classes = [shown.nth(i).get_attribute("class") for i in range(len(logprobs))]
    assert classes == [f"token level-{level}" for level in levels]
    assert len(set(levels)) > 2
    assert f"log-probability {logprobs[0]:.3f}" in shown.first.get_attribute("title")
    assert page.locator(".legend").first.is_visible()
    page.keyboard.press("n")
    page.wait_for_selector(f"article:not([data-id='{name}']) .token")
    page.keyboard.press("t")
    assert not page.locator(".token").first.is_visible()


def test_two_episodes_are_compared_side_by_side(page, address):
    page.goto(address)
    ids = rows(page)
    for key in ("j", "c"):
        page.keyboard.press(key)
    page.get_by_text("Marked to compare").wait_for()
    for key in ("j", "j", "c"):
        page.keyboard.press(key)
    page.wait_for_selector(".compare")
    shown = page.eval_on_selector_all("article", "all => all.map(one => one.dataset.id)")
    assert shown == [ids[0], ids[2]]
    assert f"#/compare/{ids[0]}/{ids[2]}" in page.url
    boxes = [page.locator("article").nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"]
    page.keyboard.press("t")
    assert page.locator("article:last-child .token").first.is_visible()
    page.keyboard.press("Escape")
    total(page, "253 episodes")


@pytest.mark.parametrize("width", [1200, 375])
def test_what_hostile_models_wrote_is_shown_and_does_nothing_else(page, address, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    names = rows(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.goto(f"{address}#/episode/{names[7]}")
    page.wait_for_selector("article .call")
    page.keyboard.press("t")
    page.locator(".reasoning summary").first.click()
    text = page.inner_text("article")
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in text
    assert page.locator("main img, main script, main textarea").count() == 0
    marks = set(page.locator(".mark").all_text_contents())
    assert {"NUL", "BEL", "ESC", "CR", "U+202E", "U+2066", "U+200B", "U+FEFF", "U+2028"} <= marks
    hidden = "[\\x00\\x07\\x1b\\r\\u202e\\u2066\\u200b\\ufeff\\u2028]"
    assert re.search(hidden, page.evaluate("document.body.textContent")) is None
    assert "50,000 more characters of this result were left out" in text
    page.get_by_text("Show more (80,000 characters are hidden)").click()
    page.get_by_text("Show more (60,000 characters are hidden)").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.goto(f"{address}#/compare/{names[7]}/{names[8]}")
    page.wait_for_selector(".compare")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_hostile_value_can_be_filtered_by_and_taken_back(page, address, attempts):
    page.goto(address)
    rows(page)
    page.locator("[data-name=policy] label").last.click()
    total(page, "1 episode")
    assert page.locator("[data-facet=policy]:checked").count() == 1
    page.reload()
    total(page, "1 episode")
    page.locator("[data-facet=policy]:checked").click()
    total(page, "253 episodes")


def test_an_address_that_leads_nowhere_is_told(page, exported):
    page.goto(f"{exported}#/episode/gone%zz")
    page.get_by_text("this export has no episode gone%zz").wait_for()
    page.keyboard.press("Escape")
    total(page, "253 episodes")


def test_everything_can_be_reached_without_a_mouse_and_has_a_name(page, address):
    page.goto(address)
    rows(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, a, input')].filter(one => !(one.textContent.trim()"
        " || one.ariaLabel || one.labels?.length)).length"
    )
    assert unnamed == 0
    assert page.locator("h1").count() == 1
