"""Functions run in a process of their own: what they answer, and what is said where they do not."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataMissing
from bench.system.reading.mistaken import identify_content
from bench.system.reading.process import Reader, ReadLimits, read_in_process
from bench.system.reading.values import NotAValue, pack, unpack
from tests.bench.system import breaking_readers as functions

PATH = Path("/nowhere/a\x1bb.mat")
SMALL = ReadLimits(seconds=20, memory_mb=512, answer_mb=2)


def test_values_come_back_as_they_were() -> None:
    found = read_in_process(functions.give, PATH)
    expected = functions.give(str(PATH))
    assert (found["path"], found["plain"]) == (expected["path"], expected["plain"])
    first, second, (truth, empty) = found["cells"]
    np.testing.assert_array_equal(first, expected["cells"][0])
    np.testing.assert_array_equal(second, expected["cells"][1])
    assert (first.flags.c_contiguous, second.flags.f_contiguous) == (True, True)  # sums round by the order of memory
    assert (truth.dtype, truth.shape, bool(truth)) == (bool, (), True)
    assert (empty.dtype, empty.shape) == (np.int8, (0, 4))
    assert found["big"].tolist() == [0, 1, 2]
    assert found["half"].tolist() == [1.5]


SENTENCES = {
    "refuse": r"`a\.mat` should be\\x1b\[2J another\.",
    "break_down": r"`a\\x1bb\.mat` cannot be read: it is damaged \(UnboundLocalError\)\.",
    "crash": r"`a\\x1bb\.mat` cannot be read: it crashed its reader \(SIGSEGV\), as damaged files do\.",
    "leave": r"`a\\x1bb\.mat` cannot be read: it crashed its reader \(exit code 3\), as damaged files do\.",
    "be_killed": r".* cannot be read: its reader was killed, as a system that runs out of memory does\.",
    "eat": r".* cannot be read: that takes more than 512 MB of memory\.",
    "answer_much": r".* cannot be read: it is too large\.",
    "answer_objects": r".* cannot be read: it crashed its reader .*",
}


def test_every_end_is_one_sentence_and_the_next_question_is_answered() -> None:
    with Reader(SMALL) as reader:
        for name, sentence in SENTENCES.items():
            with pytest.raises(DataMissing, match=rf"^{sentence}$"):
                reader.ask(getattr(functions, name), str(PATH), about="`a\\x1bb.mat`")
        assert reader.ask(functions.chatter, str(PATH), about="it") == "answer"
        first = reader.ask(functions.pid, str(PATH), about="it")
        assert reader.ask(functions.pid, str(PATH), about="it") == first != os.getpid()
    assert ended(first)


def test_libraries_do_not_count_as_memory() -> None:
    """A second function's module brings torch, after the first was answered under the limit."""
    with Reader(ReadLimits(seconds=120, memory_mb=64)) as reader:
        first = reader.ask(functions.pid, "", about="it")
        with pytest.raises(DataMissing, match="more than 64 MB of memory"):
            reader.ask(functions.eat, "", about="it")
        from suites.nyuv2 import isolated

        with pytest.raises(DataMissing, match="none of these is there"):
            reader.ask(isolated.describe_copy, "/nowhere", about="it")
        assert reader.ask(functions.pid, "", about="it") == first


def test_a_reader_that_does_not_end_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(DataMissing, match=r"its reader was ended after 3 seconds, its limit\.$"):
        read_in_process(functions.wait, PATH, limits=ReadLimits(seconds=3))
    assert time.monotonic() - start < 10


def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    assert read_in_process(functions.write, tmp_path / "a.mat") == "refused"
    assert not [path for path in tmp_path.iterdir() if path.stat().st_size]


def ended(pid: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="a child learns of its parent's end on Linux only")
def test_a_reader_ends_with_who_asked() -> None:
    code = (
        "from bench.system.reading.process import Reader\n"
        "from tests.bench.system import breaking_readers as functions\n"
        "reader = Reader()\nprint(reader.ask(functions.pid, '', about='it'), flush=True)\n"
        "reader.ask(functions.wait, '', about='it')\n"
    )
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)
    assert process.stdout is not None
    reader = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert ended(reader)


def test_modules_are_not_taken_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy", "json", "bench"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert read_in_process(functions.chatter, PATH) == "answer"


def taken(content: bytes) -> object:
    stream = io.BytesIO(content)
    return unpack(stream.read, 100)


def header(arrays: object, value: object = None, **more: object) -> bytes:
    text = json.dumps({"arrays": arrays, "value": value, **more}).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((1 << 40).to_bytes(8, "little"), "header is too long"),
        (header([["|O", [1]]]) + bytes(8), "header is damaged"),
        (header([["<f8", [-1]]]), "header is damaged"),
        (header([["<f8", [1 << 30, 1 << 30]]]), "too large"),
        (header([["<f8", [13]]]) + bytes(104), "too large"),
        (header([], {"array": 0}), "header is damaged"),
        (header([], {"other": 0}), "header is damaged"),
        (header(3), "header is damaged"),
        (bytes(8), "header is damaged"),
    ],
)
def test_bytes_of_another_make_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(NotAValue, match=words):
        taken(content)


def test_only_numbers_and_texts_are_packed() -> None:
    for value in (np.array([{}], dtype=object), np.array(["a"]), np.array([1j]), object(), {1: b"bytes"}):
        with pytest.raises(TypeError, match=r"should be (made )?of"):
            pack(value)


def test_what_lies_in_place_of_a_file_is_named() -> None:
    assert identify_content(b"") == "an empty file"
    assert identify_content(b"\n <!DOCTYPE html>") == "a web page"
    assert identify_content(b"\x89HDF\r\n\x1a\n") == "HDF5"
    assert identify_content(b"\x00\x01\x02") == "a file of another kind"
