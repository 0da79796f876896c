"""Control groups, read from files of the kernel's form."""

from __future__ import annotations

from pathlib import Path

import pytest

from reachgym.envs.sandbox.cgroup import Group


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill {count}\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {count}\n"),
    ],
)
def test_a_member_killed_for_memory_is_noticed(tmp_path: Path, name: str, content: str) -> None:
    group = Group((tmp_path,), memory=True)
    assert not group.ran_out_of_memory()
    (tmp_path / name).write_text(content.format(count=0))
    assert not group.ran_out_of_memory()
    (tmp_path / name).write_text(content.format(count=1))
    assert group.ran_out_of_memory()


def test_groups_are_removed_and_missing_ones_do_no_harm(tmp_path: Path) -> None:
    group = Group((tmp_path / "group",), memory=True)
    (tmp_path / "group").mkdir()
    group.remove()
    group.remove()
    assert list(tmp_path.iterdir()) == []
