"""What a player prints is read to its end, whoever waits for it, and processes that never start hold nothing open."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from bench.judge.host import Player
from bench.judge.limits import TAIL_BYTES, Limits, OutputReader
from bench.training.devices.peers import _Peer


def test_a_pipe_that_outlives_the_wait_for_it_is_closed_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that escaped holds it open; left to the garbage collector, it warned in the middle of other work."""
    monkeypatch.setattr(threading.Thread, "join", lambda self, timeout=None: None)  # five seconds are over at once
    read, write = os.pipe()
    pipe = os.fdopen(read, "rb")
    reader = OutputReader(pipe)
    reader.finish()
    assert not pipe.closed
    os.write(write, b"x" * TAIL_BYTES + b"last")
    os.close(write)
    deadline = time.monotonic() + 60
    while not pipe.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert pipe.closed
    assert reader.total == TAIL_BYTES + 4
    assert reader.text == "x" * (TAIL_BYTES - 4) + "last"


@pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
@pytest.mark.parametrize("start", [lambda: Player(Limits()).__enter__(), lambda: _Peer({"rank": 1})])
def test_a_process_that_does_not_start_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[], object]
) -> None:
    """Neither its socket nor its file for errors, also while the error is still looked at."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError("no process today")

    monkeypatch.setenv("MTLBENCH_CONFINEMENT", "limits")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="no process today") as raised:
        start()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert raised.tb is not None
