"""Stores that code without a sandbox may not change: whatever is left in one is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.judge.watched import watch_folders


def run(code: str, folder: Path, *watched: Path) -> list[str]:
    """What is said of `watched` after Python ran `code` in `folder`."""
    with watch_folders(watched) as troubles:
        subprocess.run([sys.executable, "-c", f"import os\nos.chdir({str(folder)!r})\n{code}"], check=True)
    return troubles


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    (folder / "a").mkdir(parents=True)
    for name in ("kept", "changed", "removed"):
        (folder / "a" / name).write_text(name)
    return folder


def test_a_store_that_was_changed_is_named(store: Path, tmp_path: Path) -> None:
    code = "open('a/changed', 'w').write('x'); os.unlink('a/removed'); open('new', 'w')"
    (trouble,) = run(code, store, store, tmp_path / "absent")
    assert "It changed the store `runs`" in trouble
    assert "a/changed (changed), a/removed (removed), new (added)." in trouble
    assert run("open('a/kept').read()", store, store) == []


LEAVINGS = {
    "a pipe": ("os.mkfifo('p')", "p (added)"),
    "a terabyte": ("open('p', 'w').truncate(1 << 40)", "p (added)"),
    "a file grown to a terabyte": ("open('a/kept', 'r+').truncate(1 << 40)", "a/kept (changed)"),
    "the same size and times": (
        "t = os.stat('a/kept').st_mtime_ns; open('a/kept', 'w').write('tpek'); os.utime('a/kept', ns=(t, t))",
        "a/kept (changed)",
    ),
    "a folder": ("os.mkdir('p')", "p (added)"),
    "a link to a folder": ("os.symlink('/etc', 'p')", "p (added)"),
    "rights": ("os.chmod('a/kept', 0)", "a/kept (changed)"),
    "a deep folder": ("for _ in range(50): os.mkdir('p'); os.chdir('p')", "p (added), p/p (added), p/p/p (added) and"),
    "a store instead of it": ("os.rename(os.getcwd(), '../was'); os.symlink('was', '../runs')", ". (changed)"),
    "a name that steers": ("open('\\x1b[31m\\n', 'w')", "\\x1b[31m\\n (added)"),
    "a name that is no text": ("open(b'\\xff', 'w')", "\\udcff (added)"),
}


@pytest.mark.parametrize("kind", LEAVINGS)
def test_whatever_is_left_in_a_store_is_named(kind: str, store: Path) -> None:
    code, words = LEAVINGS[kind]
    [trouble] = run(code, store, store)
    assert words in trouble
    assert trouble.isprintable()


def test_a_store_that_was_not_there_is_watched_too(tmp_path: Path) -> None:
    [trouble] = run("os.mkdir('runs')", tmp_path, tmp_path / "runs")
    assert "It changed the store `runs`" in trouble
