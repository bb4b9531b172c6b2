"""What a player prints is read to its end, whoever waits for it."""

import os
import threading
import time

import pytest

from bench.judge.limits import TAIL_BYTES, OutputReader


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
