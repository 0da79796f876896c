"""The page: drawn from results alone, self-contained, and safe with whatever a model wrote."""

import json
import re
from html.parser import HTMLParser

import pytest

from reachgym.envs.errors import StoreError
from reachgym.study.report.html import read_results, render, write_report
from reachgym.study.results import Results


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


def test_equal_results_give_the_same_page_byte_for_byte(results, page):
    assert render(Results.model_validate_json(results.model_dump_json())) == page


def test_nothing_is_executed_or_loaded(elements):
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe", "object", "embed", "img"}
    attributes = [item for _, own in elements for item in own.items()]
    assert not [name for name, _ in attributes if name.startswith("on")]
    targets = [value for name, value in attributes if name in ("href", "src", "action", "srcset")]
    assert targets
    assert [target for target in targets if not target.startswith("#")] == []


def test_links_lead_somewhere_and_no_id_occurs_twice(elements):
    ids = [own["id"] for _, own in elements if "id" in own]
    assert len(ids) == len(set(ids))
    links = {own["href"][1:] for tag, own in elements if tag in ("a", "use") and "href" in own}
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
    for n in (41, 43, 47, 53, 59, 61, 67, 73, 317):
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


def test_an_empty_study_still_draws(results):
    bare = results.model_copy(
        update={
            name: []
            for name in (
                "gates",
                "measurements",
                "pass_at_k",
                "flows",
                "verdicts",
                "interface_effects",
                "consumption",
                "curves",
                "trajectories",
                "notes",
            )
        }
    )
    assert "No task was compared" in render(bare)
