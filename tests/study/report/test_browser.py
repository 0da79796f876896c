"""The page in a real browser: it fits a phone, and nothing of it is cut off."""

import json
import re
import shutil
import subprocess

import pytest

from reachgym.study.report.html import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

# A page of its own measures the report, which has no scripts, in a frame as wide as a screen.
RULER = """
<iframe id=frame src="{page}" style="width:{width}px;height:800px;border:0"></iframe>
<script>
onload = () => {{
  const page = document.getElementById("frame").contentDocument;
  const root = page.documentElement;
  page.querySelectorAll("details").forEach(d => d.open = {opened});
  const outside = [...page.querySelectorAll("body *")].filter(e =>
    !e.closest(".scroll") && !e.closest("svg") && !e.matches(".skip") &&
    e.getBoundingClientRect().right > {width} + 1);
  const small = [...page.querySelectorAll("p, td, li, code")].filter(e =>
    parseFloat(getComputedStyle(e).fontSize) < 11);
  document.title = JSON.stringify({{
    width: root.scrollWidth,
    outside: outside.map(e => e.outerHTML.slice(0, 80)),
    small: small.length,
    headings: page.querySelectorAll("h2").length,
    title: page.title,
  }});
}};
</script>
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(results, path)
    return path


def seen(report, width, opened):
    ruler = report.with_name(f"ruler-{width}-{opened}.html")
    ruler.write_text(RULER.format(page=report.name, width=width, opened=str(opened).lower()))
    ran = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--allow-file-access-from-files", f"--user-data-dir={report.parent / 'profile'}"),
            f"--window-size={width + 40},900",
            ruler.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    title = re.search(r"<title>(.*?)</title>", ran.stdout, re.DOTALL)
    assert title, ran.stdout[-500:]
    return json.loads(title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.parametrize("opened", [False, True], ids=["folded", "unfolded"])
@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desktop"])
def test_the_page_fits_the_screen(report, width, opened):
    found = seen(report, width, opened)
    assert found["title"].startswith("Does <training> reach?")
    assert found["headings"] >= 7
    assert found["width"] <= width
    assert found["outside"] == []
    assert found["small"] == 0
