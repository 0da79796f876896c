"""The page on `results.json` says what the schema says."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_schema_writes(tmp_path):
    written = tmp_path / "results.md"
    subprocess.run([sys.executable, DOCS / "schema.py", written], check=True, timeout=60)
    assert written.read_text() == (DOCS / "results.md").read_text()
