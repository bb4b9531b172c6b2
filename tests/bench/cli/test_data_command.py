"""`mtlbench data`: text of others stays text, and what a system lacks is named."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.cli.main import main
from bench.errors import DataMissing
from bench.system.shortage import DISK, explain_shortage
from suites.school import School

STEERING = "a\x1b]0;title\x07\x1b[2Jb\u202e\nc"
ESCAPED = r"a\x1b]0;title\x07\x1b[2Jb\u202e\nc"
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("where", ["progress", "refusal", "state"])
def test_what_files_say_is_plain_text(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare(*_: Any) -> Iterator[str]:
        yield STEERING if where == "progress" else "nothing"
        if where == "refusal":
            raise DataMissing(STEERING)

    monkeypatch.setattr(School, "prepare_data", prepare)
    if where == "state":
        monkeypatch.setattr(School, "data_status", lambda _: {"school.mat": f"damaged ({STEERING})"})
    assert main(["data", "prepare", "school", "--data-dir", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert ESCAPED in said.out + said.err
    assert STEERING not in said.out + said.err


def test_names_of_folders_are_plain_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a\x1b[2Jb"
    folder.mkdir()
    assert main(["data", "prepare", "school", "--source", str(folder), "--data-dir", str(folder)]) == 1
    assert main(["data", "prepare", "school", "--source", str(folder / "c"), "--data-dir", str(folder)]) == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert r"a\x1b[2Jb" in said.out + said.err


def test_what_is_short_is_said_also_of_a_cause() -> None:
    cases: list[tuple[BaseException, str]] = [
        (OSError(errno.EMFILE, "Too many open files"), "More files should be open"),
        (OSError(errno.ENOSPC, "No space left on device"), DISK),
        (MemoryError(), "More memory should be"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "More memory should be"),
        (OSError("libtorch_cpu.so: cannot allocate memory in static TLS block"), "More memory should be"),
    ]
    for error, words in cases:
        assert explain_shortage(error).startswith(words)
        outer = RuntimeError("outer")
        outer.__cause__ = error
        assert explain_shortage(outer) == explain_shortage(error)
    for other in (OSError(errno.EACCES, "Permission denied"), ImportError("no module")):
        assert explain_shortage(other) == ""


@pytest.mark.parametrize(
    ("limit", "words"), [("-n 10", "`ulimit -n"), ("-v 300000", "raise that, as with `ulimit -v unlimited`")]
)
def test_too_little_of_something_is_a_sentence(limit: str, words: str, tmp_path: Path) -> None:
    from tests.suites.matlab_files import write_school

    write_school(tmp_path / "from")
    arguments = f"data prepare school --source {tmp_path / 'from'} --data-dir {tmp_path / 'to'}"
    command = f"ulimit {limit} && exec {sys.executable} -m bench.cli.main {arguments}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("mtlbench: ")
    assert words in line
    assert not [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
