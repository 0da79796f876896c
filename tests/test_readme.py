"""The README's Python runs, in order and in one process, as a reader would type it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(not BLOCKS, reason="the README shows no Python")


def test_every_python_block_runs(tmp_path):
    script = tmp_path / "readme.py"
    script.write_text("\n".join(BLOCKS))
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


def test_a_custom_environment_takes_at_most_twenty_lines():
    (definition,) = (block for block in BLOCKS if "register(" in block)
    assert len(definition.strip().splitlines()) <= 20
