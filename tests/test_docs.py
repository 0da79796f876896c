"""The documentation's commands and Python run, page by page, as a reader would type them."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]*) -->\n)?```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ALL_PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
KINDS = {"python", "sh", "text", "yaml", "json"}
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "HF_HUB_OFFLINE": "1",
    "COLUMNS": "100",
}


def blocks(page: Path, kind: str) -> list[str]:
    """The code of a page's blocks of a kind that are run."""
    found = BLOCK.finditer(page.read_text())
    return [match["code"] for match in found if match["kind"] == kind and match["why"] is None]


def pages_with(kind: str) -> list[Path]:
    return [page for page in ALL_PAGES if blocks(page, kind)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix("")).removeprefix("docs/")


@pytest.mark.parametrize("page", [p for p in pages_with("python") if p.parent != ROOT], ids=name_of)
def test_every_python_block_of_a_page_runs_in_order(page, tmp_path):
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page, "python")))
    ran = subprocess.run(
        [sys.executable, str(script)],
        check=False,
        cwd=tmp_path,
        env=ENVIRONMENT | {"REACHGYM_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", pages_with("sh"), ids=name_of)
def test_every_command_of_a_page_runs_in_order(page, tmp_path):
    for name in ("configs", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    commands = "\n".join(blocks(page, "sh")).replace(".venv/bin/", "")
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        check=False,
        cwd=tmp_path,
        env=ENVIRONMENT,
        # What `envs play` asks for.
        input="a guess\n",
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_block_says_what_it_is_and_why_it_is_not_run(record_property):
    left_out = []
    for page in ALL_PAGES:
        for match in BLOCK.finditer(page.read_text()):
            assert match["kind"] in KINDS, f"{name_of(page)}: {match['code'][:40]!r}"
            if match["why"] is not None:
                assert len(match["why"].split()) > 2
                left_out.append(f"{name_of(page)}: {match['why']}")
    record_property("not run", "; ".join(left_out))
    print(f"{len(left_out)} blocks of the documentation are not run:", *left_out, sep="\n  ")
    # A page that shows nothing but what is not run shows nothing that is known to work.
    assert len(left_out) < 25


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)}: {link}"


def anchors(page: Path) -> set[str]:
    """What headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("name", ["families", "reference"])
def test_generated_pages_are_those_that_the_code_gives(name):
    pages = runpy.run_path(str(DOCS / f"{name}.py"))["pages"]()
    written = {page.name: page.read_text() for page in (DOCS / name).iterdir()}
    assert written == pages, f"run `python docs/{name}.py docs/{name}`"


def test_everything_in_the_reference_is_explained():
    assert runpy.run_path(str(DOCS / "reference.py"))["undocumented"]() == []
