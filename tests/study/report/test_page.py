"""The page: drawn from results alone, self-contained, and safe with whatever a model wrote."""

import csv
import json
import math
import re
import statistics
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import pytest

from reachgym.envs.errors import StoreError
from reachgym.study.report.energy import frontier
from reachgym.study.report.exposure import by_exposure
from reachgym.study.report.figure import groups_of
from reachgym.study.report.html import flow_totals, read_results, render, write_report
from reachgym.study.report.surprisal import surprisal_map
from reachgym.study.results import Results

CSV = "data:text/csv;charset=utf-8,"


class Elements(HTMLParser):
    """Every element of a page, as its name and attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def page(results):
    return render(results)


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page).found


@pytest.fixture(scope="module")
def bare(results):
    return results.model_copy(
        update={name: [] for name, value in results if isinstance(value, list)}
    )


@pytest.fixture(scope="module")
def bare_page(bare):
    return render(bare)


def test_equal_results_give_the_same_page_byte_for_byte(results, page):
    assert render(Results.model_validate_json(results.model_dump_json())) == page


def test_nothing_is_executed_or_loaded(elements):
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe", "object", "embed", "img"}
    attributes = [item for _, own in elements for item in own.items()]
    assert not [name for name, _ in attributes if name.startswith("on")]
    targets = [value for name, value in attributes if name in ("href", "src", "action", "srcset")]
    assert targets
    assert [t for t in targets if not t.startswith(("#", CSV))] == []


def test_files_are_downloaded_from_the_page_itself_under_plain_names(elements):
    links = [own for tag, own in elements if tag == "a" and own["href"].startswith(CSV)]
    assert links
    for own in links:
        assert set(own) == {"class", "download", "href", "aria-label"}
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.csv", own["download"])
        assert re.fullmatch(r"[A-Za-z0-9_.~%,/-]+", own["href"].removeprefix(CSV))
    assert not [own for tag, own in elements if "download" in own and own not in links]


def test_every_figure_has_its_numbers_beside_it(page):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    assert captions
    assert all(caption.count(f'href="{CSV}') == 1 for caption in captions)


def test_no_text_in_a_file_can_be_computed_by_a_spreadsheet(elements, results):
    formula = "=cmd|' /C calc'!A0"
    assert formula in {policy.label for policy in results.setting.policies}
    files = [unquote(own["href"]) for tag, own in elements if own.get("download")]
    held = [row for file in files for row in csv.reader(file.splitlines()) if row]
    cells = [value for row in held for value in row]
    assert f"'{formula}" in cells
    for value in cells:
        assert not value.startswith(("=", "@", "+")), value
        assert not value.startswith("-") or float(value) < 0


def test_links_lead_somewhere_and_no_id_occurs_twice(elements):
    ids = [own["id"] for _, own in elements if "id" in own]
    assert len(ids) == len(set(ids))
    targets = {own["href"] for tag, own in elements if tag in ("a", "use") and "href" in own}
    links = {target[1:] for target in targets if target.startswith("#")}
    assert links <= set(ids)


def test_no_style_asks_for_a_resource(page):
    assert "@import" not in page
    assert [url for url in re.findall(r"url\(([^)]*)\)", page) if not url.startswith("#")] == []


def test_text_that_a_model_wrote_is_shown_and_never_obeyed(page, hostile_text):
    assert "<title>Does &lt;training&gt; reach?" in page
    assert "&lt;script&gt;document.title=" in page
    assert "{{ 7*7 }}" in page
    for unseen in "\x1b\u202e\u2066\u200b\x00\r":
        assert unseen in hostile_text
        assert unseen not in page
        assert f"&lt;U+{ord(unseen):04X}&gt;" in page


def test_every_verdict_is_given_in_words(page, results):
    for verdict in results.verdicts:
        assert verdict.sentence.replace("+", "&#43;") in page or verdict.sentence in page


def test_every_measured_number_says_what_it_stands_on(page):
    """The n of every interval in the crafted study is a number that occurs nowhere else."""
    for n in (41, 43, 47, 53, 59, 61, 67, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 317):
        assert re.search(rf"\b{n}\b", page), f"n={n} is not on the page"
    for n in (23, 24, 25):
        assert f'<td class="n">{n}</td><td class="n">200</td>' in page


def test_every_figure_has_a_text_that_says_what_it_shows(elements):
    figures = [own for tag, own in elements if tag == "figure"]
    drawings = [own for tag, own in elements if tag == "svg"]
    assert figures
    assert all(own.get("aria-hidden") == "true" or own.get("aria-label") for own in drawings)
    assert sum(tag == "figcaption" for tag, _ in elements) == len(figures)


def test_a_failed_attempt_is_unscored_and_not_unsolved(page):
    assert 'class="outcome unscored"' in page
    assert "Reward none." in page


def test_the_page_replaces_its_predecessor_in_one_step(results, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("an older page")
    write_report(results, path)
    assert path.read_text() == page
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_missing_study_is_one_line_that_says_what_to_give(tmp_path):
    with pytest.raises(StoreError) as error:
        read_results(tmp_path / "results.json")
    assert "give the folder of a finished study" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data.update(schema_version=99), "schema_version: 99"),
        (lambda data: data.update({"a\x1b[31mb": 1}), "a<U+001B>[31mb: Extra inputs"),
        (lambda data: data["setting"].pop("title"), "setting.title: Field required"),
        (lambda data: data["setting"].update(sample_budgets=[]), "0 headline budgets"),
        (lambda data: data["verdicts"][0].update(policy="nobody"), "no policy 'nobody'"),
        (lambda data: data["measurements"][0].update(labels={}), "without a label at B=64"),
        (lambda data: data["energies"][0].update(policy="nobody"), "no policy 'nobody'"),
        (lambda data: data["estimates"][0].update(base="rl"), "no base 'rl'"),
        (lambda data: data["evaluations"][0].update(evaluation="no"), "no evaluation 'no'"),
        (lambda data: data["setting"].update(policies=[]), "setting.policies: no base"),
    ],
)
def test_results_of_another_kind_are_one_line_that_says_where(results, tmp_path, change, told):
    data = json.loads(results.model_dump_json())
    change(data)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(data))
    with pytest.raises(StoreError) as error:
        read_results(path)
    assert told in str(error.value)
    assert "run the study again" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_json_is_one_line(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(b"\x00\xff not json")
    with pytest.raises(StoreError, match=r"the whole file: Invalid JSON"):
        read_results(path)


def test_an_empty_study_still_draws(bare_page):
    assert "No task was compared" in bare_page
    assert "The same as numbers" not in bare_page


@pytest.mark.parametrize(
    "heading",
    [
        "By exposure",
        "Further looks",
        "Eliciting the base",
        "Contrasts between arms",
        "Reward against divergence",
        "Discovery",
        "Diagnostics",
        "Importance sampling",
        "Support dynamics",
        "Where the base overtakes",
        "Cover@tau",
        "Compute-matched budget",
        "Composition null",
        "Sampling economy",
    ],
)
def test_an_empty_section_leaves_no_heading_behind(page, bare_page, heading):
    shown = re.compile(rf"<h[23]>{re.escape(heading)}</h[23]>")
    assert shown.search(page)
    assert not shown.search(bare_page)


def test_one_section_alone_brings_its_own_heading_alone(bare, results):
    page = render(bare.model_copy(update={"crossings": results.crossings}))
    assert "<h3>Where the base overtakes</h3>" in page
    assert "<h3>Support dynamics</h3>" not in page


def test_what_is_unknown_is_told_and_not_left_out(page):
    assert "eta is unknown" in page
    assert "at no k" in page
    assert page.count("<td>none</td>") + page.count('<td class="n">none</td>') >= 20


def test_arms_of_other_bases_are_folded_and_compared_by_exposure(page, one_base):
    assert page.count("From the base <em>=cmd|") >= 5
    assert '<a href="#exposure">' in page
    alone = render(one_base)
    assert "From the base" not in alone
    assert "exposure" not in re.sub(r"<style>.*?</style>", "", alone, flags=re.DOTALL)
    assert "taught" not in alone


def test_an_arm_is_shown_against_its_own_base(results):
    groups = groups_of(results)
    assert [(g.base.name, [arm.name for arm in g.arms]) for g in groups] == [
        ("base", ["sft", "rl", "rl_long", "rl_withheld"]),
        ("taught", ["rl@taught", "sft@taught"]),
    ]
    figure = surprisal_map(results, groups[1], groups[1].arms[0])
    first = next(row for row in figure.data.rows if row[0] == "lookup-2/held_out/0")
    assert first[5:9] == (200, 9, 200, 99)


def test_a_base_without_successes_is_drawn_at_a_sound_importance_estimate(results):
    group = groups_of(results)[0]
    figure = surprisal_map(results, group, group.arms[1])
    drawn = {(row[0], row[1]): row for row in figure.data.rows}
    sound = drawn["lookup-2/held_out/1", 0]
    assert sound[2] == pytest.approx(-math.log2(0.0021))
    assert sound[9:] == (0.0021, 0.0007)
    for task in ("lookup-2/held_out/0", "lookup-2/held_out/2"):
        assert drawn[task, 0][9:] == (None, None), "a doubtful or empty estimate is not drawn"


def test_a_frontier_starts_at_an_importance_estimate_where_the_base_never_succeeded(results):
    group = groups_of(results)[0]
    assert "starts at 0.002" in frontier(results, group, "lookup-2").words
    without = results.model_copy(update={"estimates": []})
    assert "no frontier can be drawn" in frontier(without, group, "lookup-2").words
    assert "starts at 0.050" in frontier(without, group, "arithmetic-3").words


def test_bases_are_compared_with_what_they_measurably_could(results):
    figures = by_exposure(results, flow_totals(results.flows))
    assert [figure.title for figure in figures] == ["SFT on answers", "RL, tools & information"]
    rows = {(row[0], row[2]): row for row in figures[1].data.rows}
    told = rows["=cmd|' /C calc'!A0", "lookup-2"]
    assert told[1] == "lookup_exposure 0.16"
    assert told[3] == pytest.approx(5.5 / 200)
    assert told[6:8] == (6, "elicitation")
    assert told[9:] == (0.0, 5 / 6, 6)
    assert rows["base", "lookup-2"][9:] == (4 / 6, 0.0, 6)


def test_bases_are_compared_by_importance_sampling_where_it_was_done(results):
    figures = by_exposure(results, flow_totals(results.flows))
    rows = {(row[0], row[2]): row for row in figures[1].data.rows}
    own = [e for e in results.estimates if (e.base, e.family) == ("base", "lookup-2")]
    assert rows["base", "lookup-2"][4:6] == (
        statistics.median(e.estimate for e in own),
        sum(not e.failed for e in own),
    )


def test_headings_go_down_one_level_at_a_time(elements):
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
