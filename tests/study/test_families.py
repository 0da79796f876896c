"""Tasks of a study's families: the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from reachgym.study.config.loading import load_config
from reachgym.study.families import Families
families = Families(load_config(Path(sys.argv[1])))
print([task.id for _, task in families.training_batch(6, np.random.default_rng(1))])
"""


def test_a_training_batch_does_not_depend_on_how_a_process_hashes_strings(small_config):
    drawn = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(small_config)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("0", "1")
    }
    assert len(drawn) == 1
    assert "lookup-1/train/" in drawn.pop()
