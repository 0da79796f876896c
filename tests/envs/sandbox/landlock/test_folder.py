"""The folder for files: what it holds, how it is emptied, and what the next start sweeps."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reachgym.envs.sandbox.landlock import folder


def dig(top: Path, depth: int) -> None:
    """Make folders in folders, deeper than a path reaches."""
    script = f"import os\nfor _ in range({depth}): os.mkdir('d' * 200); os.chdir('d' * 200)"
    subprocess.run([sys.executable, "-c", script], cwd=top, check=True)


def test_files_count_by_their_blocks_and_folders_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(bytes(2**20))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**30)
    (tmp_path / "link").symlink_to("/usr")
    size_bytes, number = folder.usage(str(tmp_path), most=100)
    assert 2**20 <= size_bytes < 2**20 + 2**16
    assert number == 4


def test_folders_deeper_than_a_path_reaches_are_counted_and_removed(tmp_path: Path) -> None:
    dig(tmp_path, depth=300)
    assert folder.usage(str(tmp_path), most=1000) == (0, 300)
    folder.empty(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_counting_stops_where_there_are_too_many(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    _, counted = folder.usage(str(tmp_path), most=10)
    assert counted == 11


def test_nothing_outside_is_removed_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (tmp_path / "work" / "in").mkdir(parents=True)
    (tmp_path / "work" / "in" / "link").symlink_to(tmp_path / "outside")
    folder.empty(str(tmp_path / "work"))
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["kept"]
    assert list((tmp_path / "work").iterdir()) == []


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_what_a_dead_owner_left_is_swept_and_no_other(dead_pid: int) -> None:
    here = Path(tempfile.gettempdir())
    left = here / f"reachgym-{dead_pid}-0-123-left"
    reused = here / f"reachgym-{os.getpid()}-0-1-reused"
    for top in (left, reused):
        (top / "work" / "deep").mkdir(parents=True)
        dig(top / "work", depth=30)
    used = folder.make(f"reachgym-{os.getpid()}-0", os.geteuid())
    elsewhere = here / f"reachgym-{dead_pid}-0-123-link"
    elsewhere.symlink_to(used.parent)
    try:
        folder.sweep()
        assert not left.exists()
        # The process has its owner's number, but started at another time.
        assert not reused.exists()
        assert used.is_dir()
    finally:
        elsewhere.unlink()
        folder.remove(used)
    assert not used.parent.exists()
