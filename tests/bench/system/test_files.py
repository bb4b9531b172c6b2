"""Files that a crash cannot halve: what a reader finds at any moment, and what a dead writer leaves for how long."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.system import files
from bench.system.files import atomic_file, clear_abandoned, folder_lock, make_folder, write_whole

WRITER = """
import sys, time
from pathlib import Path
from bench.system.files import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"half of it")
    file.flush()
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing `record.json`."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "record.json")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_content_then_name_then_folder_become_durable(tmp_path, monkeypatch):
    target, happened = tmp_path / "record.json", []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        happened.append("folder" if name == str(tmp_path) else f"file of {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def renamed(a, b):
        happened.append("rename")
        replace(a, b)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write_whole(target, "twelve bytes")
    assert happened == ["file of 12 bytes", "rename", "folder"]
    assert target.read_text() == "twelve bytes"
    assert list(tmp_path.iterdir()) == [target]


def test_new_folders_are_synced_into_their_parents(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_an_error_while_writing_leaves_what_was_there(tmp_path):
    target = tmp_path / "record.json"
    write_whole(target, b"old")

    def fill():
        with atomic_file(target) as file:
            file.write(b"new")
            file.flush()
            assert target.read_bytes() == b"old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_living_writer_keeps_its_file_and_a_killed_one_does_not(tmp_path, writer):
    write_whole(tmp_path / "record.json", "old")
    [temporary] = tmp_path.glob(".*.tmp")
    clear_abandoned(tmp_path)
    assert temporary.read_bytes() == b"half of it"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert temporary.exists()
    clear_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert (tmp_path / "record.json").read_text() == "old"


def test_nothing_else_is_cleared(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "store"
    folder.mkdir()
    kept = [".hidden", "a.0123abcd.tmp", ".record.tmp", ".record.0123abc.tmp", ".record.0123abcd.tmp.json"]
    for name in kept:
        (folder / name).touch()
    (folder / ".link.0123abcd.tmp").symlink_to(outside)
    (folder / ".folder.0123abcd.tmp").mkdir()
    (folder / ".old.0123abcd.tmp").touch()
    clear_abandoned(folder)
    clear_abandoned(tmp_path / "absent")
    assert {path.name for path in folder.iterdir()} == {*kept, ".link.0123abcd.tmp", ".folder.0123abcd.tmp"}
    assert outside.read_text() == "kept"


def test_a_file_that_is_cleared_before_its_lock_holds_is_made_again(tmp_path, monkeypatch):
    """The one moment at which a living writer has no lock: between opening and locking."""
    flock, once = fcntl.flock, []

    def late(file, how):
        if not once:
            once.append(next(tmp_path.glob(".*.tmp")))
            once[0].unlink()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_whole(tmp_path / "record.json", "whole")
    assert len(once) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert (tmp_path / "record.json").read_text() == "whole"


def test_one_process_at_a_time_is_alone(tmp_path):
    def lock():
        other = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)

    with folder_lock(tmp_path), pytest.raises(BlockingIOError):
        lock()
    lock()


def test_a_full_disk_leaves_the_old_file_and_nothing_else(small_disk):
    root: Path = small_disk(kilobytes=256)
    write_whole(root / "record.json", "old")
    with pytest.raises(OSError, match="No space left on device"):
        write_whole(root / "record.json", bytes(1 << 20))
    assert [path.name for path in root.iterdir()] == ["record.json"]
    assert (root / "record.json").read_text() == "old"
    write_whole(root / "record.json", "new")
    assert (root / "record.json").read_text() == "new"


def test_no_decision_hangs_on_a_clock_that_can_be_set():
    """The date of a record is told and never read; the times of files are held against each other, for equality."""
    clock = re.compile(r"\btime\.time\b|datetime\.now|utcnow|\.today\(|st_[acm]time|get[acm]time")
    root = Path(__file__).parents[3]
    sources = [path for top in ("bench", "suites", "leaderboard") for path in (root / top).rglob("*.py")]
    found = {path.relative_to(root).as_posix(): set(clock.findall(path.read_text())) for path in sources}
    assert {name: words for name, words in found.items() if words} == {
        "bench/judge/confinement.py": {"st_mtime"},
        "bench/cli/perf.py": {"datetime.now"},  # the day of a measurement of step times
        "bench/training/load.py": {"datetime.now"},
        "leaderboard/trust/consistency.py": {"datetime.now"},  # a record from tomorrow is no record
        "leaderboard/trust/ledger.py": {"datetime.now"},  # the name of a file, which comes after all others' anyway
        "leaderboard/site/watch.py": {"st_mtime"},
        "suites/_own/image_import.py": {"datetime.now"},  # the day of an import, on its card
        "suites/_own/table_import.py": {"datetime.now"},
        "suites/_shared/dense/sets.py": {"st_mtime"},
        "suites/multimnist/files.py": {"st_mtime"},
        "suites/_shared/variables.py": {"st_mtime"},
    }
