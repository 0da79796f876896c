"""The Python of the page on the measurement runs, in order and in one process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from reachgym import support

PAGE = (Path(__file__).parents[2] / "docs" / "support.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_python_block_runs_and_loads_no_model_library(tmp_path):
    script = tmp_path / "page.py"
    loaded = (
        'import sys\nassert not {"torch", "ray", "transformers", "gymnasium"} & set(sys.modules)'
    )
    script.write_text("\n".join([*BLOCKS, loaded]))
    ran = subprocess.run(
        [sys.executable, str(script)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert "Creation on facts: 40 of 40 tasks" in ran.stdout


def test_every_function_of_the_table_is_exported():
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(names) > 12
    assert names <= set(support.__all__)
