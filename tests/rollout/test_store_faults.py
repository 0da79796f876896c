"""A store loses nothing and holds nothing twice, whoever is killed and whatever is full."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from store_writer import attempt

from reachgym.envs.errors import StoreError
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.store_manifest import Manifest, Shard

WRITER = Path(__file__).parent / "worlds" / "store_writer.py"
MANIFEST = "manifest.jsonl"


def start(*arguments: object, **options) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def wait_for_more(file: Path, lines: int) -> int:
    """Wait until a file has more lines; returns how many."""
    gone = threading.Event()
    for _ in range(3000):
        count = file.read_bytes().count(b"\n") if file.exists() else 0
        if count > lines:
            return count
        gone.wait(0.01)
    raise AssertionError("the writer wrote nothing")


def numbers(store: TrajectoryStore, **which) -> list[int]:
    return [row.key.seed for row in store.read(**which)]


def test_what_was_acknowledged_is_there_once_however_often_the_writer_is_killed(tmp_path):
    folder, acknowledged, rng = tmp_path / "run", tmp_path / "acknowledged", random.Random(5)
    count = 0
    for _ in range(8):
        writer = start(folder, acknowledged)
        count = wait_for_more(acknowledged, count)
        # Somewhere in the middle of an append, or of the merging after it.
        threading.Event().wait(rng.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        known = acknowledged.read_text().splitlines()
        there = Counter(numbers(TrajectoryStore(folder), failures=False))
        assert set(there.values()) == {1}
        assert {int(line) for line in known} <= there.keys()
        assert len(there) <= len(known) + 3
    store = TrajectoryStore(folder)
    assert store.append([attempt(10**6)]) == 1
    named = {shard.name for shard in Manifest(folder / MANIFEST).shards(False)}
    assert {file.name for file in folder.glob("*.parquet")} == named
    assert not list(folder.rglob("*.tmp"))


def test_there_is_one_writer_and_its_lock_dies_with_it(tmp_path):
    folder, acknowledged = tmp_path / "run", tmp_path / "acknowledged"
    writer = start(folder, acknowledged)
    count = wait_for_more(acknowledged, 0)
    store = TrajectoryStore(folder)
    with pytest.raises(StoreError, match="written to by another process"):
        store.append([attempt(10**6)])
    assert len(numbers(store, failures=False)) >= count
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert store.append([attempt(10**6)]) == 1
    assert store.append([attempt(0)]) == 0


def test_a_second_store_of_the_same_process_waits_for_the_first_to_be_closed(tmp_path):
    first, second = TrajectoryStore(tmp_path), TrajectoryStore(tmp_path)
    first.lock()
    with pytest.raises(StoreError, match="another"):
        second.lock()
    first.append([attempt(1)])
    with pytest.raises(StoreError, match="another"):
        second.append([attempt(2)])
    first.close()
    assert second.append([attempt(1), attempt(2)]) == 1
    assert numbers(TrajectoryStore(tmp_path)) == [1, 2]


def test_a_forked_child_does_not_hold_the_lock_of_its_parent(tmp_path):
    store = TrajectoryStore(tmp_path)
    store.append([attempt(1)])
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        theirs.send(b"forked")
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    ours.recv(6)
    store.close()
    assert TrajectoryStore(tmp_path).append([attempt(2)]) == 1
    ours.close()
    os.waitpid(child, 0)


def test_a_reader_goes_on_while_the_shards_it_reads_are_merged(tmp_path):
    with TrajectoryStore(tmp_path) as store:
        for number in range(15):
            store.append([attempt(number)])
        reader = TrajectoryStore(tmp_path)
        reading = reader.read()
        first = [next(reading).key.seed for _ in range(4)]
        for number in range(15, 40):
            store.append([attempt(number)])
        assert len(list(tmp_path.glob("*.parquet"))) < 15
        # It sees what was there when it was opened, each once.
        assert first + [row.key.seed for row in reading] == list(range(15))
        assert numbers(reader) == list(range(15))
        assert numbers(store) == numbers(TrajectoryStore(tmp_path)) == list(range(40))


def test_failures_lie_beside_and_give_way_also_when_they_were_merged(tmp_path):
    with TrajectoryStore(tmp_path) as store:
        for number in range(20):
            store.append([attempt(number, failed=True)])
        assert store.append([attempt(3)]) == 1
        assert numbers(store) == [3, *(n for n in range(20) if n != 3)]
    again = TrajectoryStore(tmp_path)
    assert numbers(again, failures=False) == [3]
    assert numbers(again) == [3, *(n for n in range(20) if n != 3)]
    assert attempt(3).key in again
    assert attempt(4).key not in again


def test_shards_that_the_manifest_does_not_name_do_not_count_and_are_removed(tmp_path):
    with TrajectoryStore(tmp_path / "run") as store:
        store.append([attempt(1)])
    with TrajectoryStore(tmp_path / "other") as other:
        other.append([attempt(2)])
    (shard,) = (tmp_path / "other").glob("*.parquet")
    left = tmp_path / "run" / shard.name
    left.write_bytes(shard.read_bytes())
    mine = tmp_path / "run" / "mine.parquet"
    mine.write_bytes(shard.read_bytes())
    assert numbers(TrajectoryStore(tmp_path / "run")) == [1]
    assert left.exists()
    TrajectoryStore(tmp_path / "run").append([attempt(3)])
    assert not left.exists()
    assert mine.exists()


def test_a_shard_that_is_missing_or_shorter_is_named_when_the_store_is_opened(tmp_path):
    with TrajectoryStore(tmp_path) as store:
        store.append([attempt(1)])
        (shard,) = tmp_path.glob("*.parquet")
        content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    with pytest.raises(StoreError, match=rf"{shard.name} is not the shard .* bytes instead of"):
        TrajectoryStore(tmp_path)
    shard.unlink()
    with pytest.raises(StoreError, match=rf"{shard.name} .*it is missing"):
        TrajectoryStore(tmp_path)
    with pytest.raises(StoreError, match="it is missing"):
        list(store.read())


def test_a_flipped_bit_of_a_shard_is_found_when_it_is_read(tmp_path):
    with TrajectoryStore(tmp_path) as store:
        store.append([attempt(1, text="x" * 50)])
    (shard,) = tmp_path.glob("*.parquet")
    content = bytearray(shard.read_bytes())
    content[content.index(b"task/1") + 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(StoreError, match=shard.name) as caught:
        list(TrajectoryStore(tmp_path).read())
    assert "\n" not in str(caught.value)


def test_the_end_of_a_line_that_was_not_finished_is_passed_over_and_cut_off(tmp_path):
    with TrajectoryStore(tmp_path) as store:
        store.append([attempt(1)])
    manifest = tmp_path / MANIFEST
    whole = manifest.read_bytes()
    for torn in (whole[: len(whole) // 2], b"\0" * 400):
        manifest.write_bytes(whole + torn)
        assert numbers(TrajectoryStore(tmp_path)) == [1]
    with TrajectoryStore(tmp_path) as store:
        store.append([attempt(2)])
    assert numbers(TrajectoryStore(tmp_path)) == [1, 2]
    assert b"\0" not in manifest.read_bytes()


def test_a_damaged_or_missing_manifest_is_named_and_nothing_is_removed(tmp_path):
    with TrajectoryStore(tmp_path) as store:
        store.append([attempt(1)])
        store.append([attempt(2)])
    manifest = tmp_path / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows": 1', b'"rows": 7', 1))
    with pytest.raises(StoreError, match="damaged in line 1"):
        TrajectoryStore(tmp_path)
    manifest.unlink()
    with pytest.raises(StoreError, match=MANIFEST):
        TrajectoryStore(tmp_path)
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def test_a_log_that_has_room_for_some_of_its_lines_takes_none(tmp_path):
    TrajectoryStore(tmp_path)
    manifest = Manifest(tmp_path / MANIFEST)
    manifest.lock()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(OSError, match="only a part"):
            manifest.commit(Shard(f"{number}.parquet", 1, 1) for number in range(20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert Manifest(tmp_path / MANIFEST).rows(False) == manifest.rows(False) == 0
    manifest.commit([Shard("1.parquet", 1, 1)])
    assert Manifest(tmp_path / MANIFEST).rows(False) == 1


def check_full(folder: Path, writer: subprocess.Popen[str]) -> None:
    """After the writer met a full disk: an error, and every acknowledged row."""
    told, _ = writer.communicate(timeout=60)
    count, _, error = told.partition(" ")
    assert "nothing of this append was kept" in error
    assert int(count) > 3
    assert numbers(TrajectoryStore(folder)) == list(range(int(count)))
    assert not list(folder.rglob("*.tmp"))


def test_a_full_disk_is_told_and_costs_nothing_that_was_kept(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]
    mounted = subprocess.run(mount, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("this user cannot mount a file system")
    try:
        check_full(disk / "run", start(disk / "run", "-", 100))
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        with TrajectoryStore(disk / "run") as store:
            assert store.append([attempt(0), attempt(1000)]) == 1
        assert numbers(TrajectoryStore(disk / "run"))[-1] == 1000
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_limit_on_files_is_told_and_costs_nothing_that_was_kept(tmp_path):
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        # Room for the manifest's lines of some appends, and for none of their shards.
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    with TrajectoryStore(tmp_path) as store:
        store.append(attempt(n) for n in range(4))
    writer = start(tmp_path, "-", 100, preexec_fn=limit)
    check_full(tmp_path, writer)
    assert TrajectoryStore(tmp_path).append([attempt(1000)]) == 1
