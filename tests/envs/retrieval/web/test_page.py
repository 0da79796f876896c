"""The Python of the page on the web runs, in order and in one process, and prints what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[4] / "docs" / "web.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_python_block_runs_and_prints_what_the_page_shows(tmp_path):
    script = tmp_path / "page.py"
    loaded = 'import sys\nassert not {"torch", "ray", "transformers"} & set(sys.modules)'
    script.write_text("\n".join([*BLOCKS, loaded]))
    ran = subprocess.run(
        [sys.executable, str(script)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "REACHGYM_CACHE": str(tmp_path / "cache"), "PYTHONUTF8": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert ran.stdout == "".join(SHOWN)
