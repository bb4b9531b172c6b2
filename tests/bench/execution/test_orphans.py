"""Workers whose runner is killed: they end with it, wherever they are."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.execution.living import end_soon, gone, workers_of

CELLS = """
import time

def endless(spec, on_epoch):
    on_epoch(0, 1)
    while True:
        pass

class Slow:
    def __init__(self, on_epoch):
        self.on_epoch = on_epoch

    def __del__(self):
        self.on_epoch(0, 1)
        time.sleep(600)

def finalising(spec, on_epoch):
    Slow(on_epoch)
    return "done"

endless.modules = finalising.modules = ()
endless.needs = finalising.needs = lambda spec: frozenset()
"""


RUNNER = """
import cells, sys
from types import SimpleNamespace
from bench.engines.local import run_cells
if __name__ == "__main__":
    spec = SimpleNamespace(protocol=SimpleNamespace(device="cpu", devices=1))
    for event in run_cells([spec], getattr(cells, sys.argv[1]), 1):
        print(getattr(event, "error", "underway"), flush=True)
"""


@contextmanager
def underway(cell: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A runner whose worker is in the middle of a cell, and that worker."""
    (folder / "cells.py").write_text(CELLS)
    (folder / "runner.py").write_text(RUNNER)
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[3])])
    process = subprocess.Popen(
        [sys.executable, str(folder / "runner.py"), cell],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    workers = []
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"underway\n"
        workers = workers_of(process.pid)
        yield process, *workers
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def test_a_worker_ends_with_its_runner_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    with underway("endless", tmp_path) as (process, worker):
        assert not gone(worker)
        process.kill()
        process.wait()
        end_soon([worker])


def test_a_worker_hears_in_a_finaliser_that_it_should_leave(tmp_path: Path) -> None:
    """Python ignores what is raised there, and would go on with the cell."""
    with underway("finalising", tmp_path) as (process, worker):
        os.kill(worker, signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == b"the worker process died (exit code 1)\n"
