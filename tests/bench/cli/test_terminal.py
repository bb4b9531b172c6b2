"""Streams of any encoding, and Ctrl-C at any moment, as processes of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from leaderboard.store.committed import COMMITTED

Table = Callable[[str, str], bytes]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """table(format, encoding) -> what a process writes of the board of the digits; their store alone is read."""
    store = tmp_path_factory.mktemp("store")
    for name in ("_protocols", "multidigits"):
        shutil.copytree(COMMITTED / name, store / name)
    command = [sys.executable, "-m", "bench.cli.start", "table", "multidigits_1", "--store", str(store), "--format"]

    def write(format: str, encoding: str) -> bytes:
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run([*command, format], capture_output=True, check=False, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    return write


def test_a_pipe_of_any_encoding_gets_the_table_column_under_column(table: Table) -> None:
    plain, whole = (table("text", encoding).decode(encoding) for encoding in ("ascii", "utf-8"))
    assert plain.isascii()
    assert "* error %: " in plain
    assert [len(line) for line in plain.splitlines()] == [len(line) for line in whole.splitlines()]
    signs = str.maketrans("Δ↑↓—†·─…", "D^v-+*-~")
    assert whole.translate(signs) == plain


def test_json_says_the_same_in_any_encoding(table: Table) -> None:
    assert json.loads(table("json", "cp1252")) == json.loads(table("json", "utf-8"))
    assert table("csv", "cp1252") == table("csv", "utf-8")


LONG = ["run", "synthetic:tasks=2,train=64", "hard", "--device", "cpu", "--jobs", "1", "--set", "epochs=5000"]


def interrupted(store: Path, waits: list[float], module: str = "bench.cli.start") -> tuple[int, str]:
    """Exit code and last words of a run that is told Ctrl-C after each of `waits`, in seconds."""

    def heed() -> None:  # a shell's background job is started with Ctrl-C ignored, and hands that on
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", module, *LONG, "--store", str(store)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed)
    for wait in waits:
        time.sleep(wait)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


@pytest.mark.parametrize("waits", [[0.4], [1.0], [2.5], [2.5, 0.05], [4.0, 0.3, 0.3]], ids=str)
def test_ctrl_c_ends_without_a_traceback_however_often(waits: list[float], tmp_path: Path) -> None:
    code, err = interrupted(tmp_path / "store", waits)
    assert code in (130, -signal.SIGINT), err  # a shell says 130 of both
    assert "Traceback" not in err
    assert "ignored" not in err


def test_an_interrupt_that_python_wraps_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python 3.11 makes a RuntimeError of it where it falls into the making of a class, as in an import."""

    def fall(words: list[str]) -> int:
        raise RuntimeError("Error calling __set_name__ on 'Field'") from KeyboardInterrupt()

    monkeypatch.setattr("bench.cli.main.run", fall)
    assert main(["list"]) == 130
    assert capsys.readouterr().err.startswith("Interrupted;")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--debug", "run", "toy"], "Interrupted; finished runs are stored, and the same command continues.\n"),
        (["merge", "a"], "Interrupted; every file is whole, and the same command goes on.\n"),
        (["table", "merge"], "Interrupted; the same command starts anew.\n"),
        ([], "Interrupted; the same command starts anew.\n"),
    ],
)
def test_an_interrupt_says_what_the_command_leaves(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fall(words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.cli.main.run", fall)
    assert main(words) == 130
    assert capsys.readouterr().err == sentence


def test_an_interrupt_where_nothing_can_be_raised_is_sent_again(capsys: pytest.CaptureFixture[str]) -> None:
    """As in the callback of a weak reference, where Python would print a traceback and go on."""
    code = (
        "import signal, sys, time, weakref\nfrom bench.cli.terminal import pass_on_interrupt\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which is ignored in a background of a script
        "sys.unraisablehook = pass_on_interrupt\nclass A: pass\ndef fall(_): raise KeyboardInterrupt\n"
        "a = A(); r = weakref.ref(a, fall)\n"
        "try:\n    del a\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    print('heard')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("heard\n", "")
