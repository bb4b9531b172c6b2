"""Interruptions of whole runs: whatever is killed, filled or taken away, the same command completes the same table."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bench.cli.main import main
from bench.engines import engine
from bench.engines.events import Cell, Ended, Event
from bench.execution import progress
from bench.execution.cell import StoredCell
from bench.planning.plan import plan
from bench.records import RunSpec
from leaderboard.store import Store
from leaderboard.store.progress_notes import read_live
from tests.bench.execution.living import end_soon, workers_of

SUITE = "synthetic:tasks=2"


METHODS = ["hard", "cross_stitch", "soft+mtrl", "hard@famo", "single_task"]


QUICK = {"epochs": "2", "steps_per_epoch": "4"}


GAP = 0.1  # seconds between two moments, at most, for each epoch of a cell


class Table:
    """Cells, of twenty epochs unless `settings` differ, and what an undisturbed run makes of them."""

    def __init__(self, root: Path, methods: list[str], seeds: int, **settings: str) -> None:
        self.gap = GAP * float(settings.get("epochs", 20))
        self.words = ["run", SUITE, *methods, "--seeds", f"0-{seeds - 1}", "--device", "cpu", "--checkpoint", "0"]
        self.words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        self.specs = plan(SUITE, methods, list(range(seeds)), settings, "cpu")
        self.reference = root / "reference"
        for spec in self.specs:
            assert StoredCell(self.reference, Path())(spec, lambda *_: None) == "done"

    def command(self, store: Path, jobs: int = 2) -> list[str]:
        """What a user types, and would type again."""
        words = [*self.words, "--store", str(store), "--jobs", str(jobs), "--json"]
        return [sys.executable, "-m", "bench.cli.main", *words]

    def list_differences(self, store: Path) -> list[str]:
        """The cells whose records are not those of the reference but for their cost, and files that are none of theirs.

        Empty where every record is there, and nothing else is.
        """
        others = [str(spec) for spec in self.specs if content(store, spec) != content(self.reference, spec)]
        files = {path for path in store.rglob("*") if path.is_file() or path.name.startswith(".")}
        return others + sorted(map(str, files ^ {Store(store).path(spec) for spec in self.specs}))


def print_table(store: Path, epochs: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What users see of runs of so many epochs."""
    capsys.readouterr()
    assert main(["table", SUITE, "--where", f"epochs={epochs}", "--store", str(store), "--format", "csv"]) == 0
    return capsys.readouterr().out


def content(store: Path, spec: RunSpec) -> dict[str, Any]:
    """A record but for what it cost and when it was made."""
    record = Store(store).get(spec)
    assert record is not None
    return record.model_dump(exclude={"digest", "created", "cost"})


class Runners:
    """Runners of one store, started again when they end."""

    def __init__(self, table: Table, store: Path, count: int, log: Path) -> None:
        self.table, self.store, self.log = table, store, log
        self.command = table.command(store, jobs=3 - count)
        self.running: list[subprocess.Popen[bytes] | None] = [None] * count

    def start(self) -> None:
        """Start those that have ended."""
        for number, process in enumerate(self.running):
            if process is None or process.poll() is not None:
                with self.log.open("ab") as log:
                    self.running[number] = subprocess.Popen(self.command, stdout=log, stderr=log)

    @property
    def complete(self) -> bool:
        """Whether every cell is stored."""
        return all(Store(self.store).has_done(spec) for spec in self.table.specs)

    def kill(self, draw: random.Random) -> bool:
        """Kill a worker or a runner when the next moment has come; false where the table was complete before."""
        while not read_live(self.store)["runs"] or not any(run["cells"] for run in read_live(self.store)["runs"]):
            if self.complete:
                return False
            self.start()
            time.sleep(0.02)
        time.sleep(draw.uniform(0, self.table.gap))
        process = draw.choice([process for process in self.running if process])
        workers = workers_of(process.pid)
        if workers and draw.random() < 0.75:
            with suppress(ProcessLookupError):
                os.kill(draw.choice(workers), signal.SIGKILL)
            return True
        process.kill()
        process.wait()
        end_soon(workers)
        return True

    def finish(self) -> None:
        """Let those that run come to their end, then complete the table."""
        for process in self.running:
            if process:
                process.wait()
        last = subprocess.run(self.command, capture_output=True, text=True, check=False)
        assert last.returncode == 0, last.stderr
        told = json.loads(last.stdout)
        assert (told["planned"], told["failed"]) == (len(self.table.specs), 0)
        assert told["stored"] + told["done"] == told["planned"]


def fill_among_kills(table: Table, root: Path, moments: int, seed: int, count: int) -> Iterator[Path]:
    """`moments` kills while `count` runners fill a store; another store where one is complete before the last.

    Yields each store, at least one, when it is complete.
    """
    draw = random.Random(seed)
    for number in range(moments):
        runners = Runners(table, root / f"store-{number}", count, root / "log")
        runners.start()
        while moments and runners.kill(draw):
            moments -= 1
        runners.finish()
        yield runners.store
        if not moments:
            return


@pytest.mark.parametrize(
    ("methods", "seeds", "epochs", "moments", "seed", "count"),
    [
        (METHODS[:3], 2, "10", 3, 25, 2),  # of a worker, of a runner, of a worker
        pytest.param(METHODS[:3], 2, "20", 10, 25, 2, marks=pytest.mark.chaos),
        pytest.param(METHODS, 8, "20", 100, 1, 1, marks=pytest.mark.chaos),
        pytest.param(METHODS, 8, "20", 30, 1, 2, marks=pytest.mark.chaos),
    ],
)
def test_a_table_survives_kills(
    methods: list[str],
    seeds: int,
    epochs: str,
    moments: int,
    seed: int,
    count: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of a runner or of its worker; with two runners at once, of either's."""
    table = Table(tmp_path, methods, seeds, epochs=epochs)
    wanted = print_table(table.reference, epochs, capsys)
    assert wanted.count("\n") > len(table.specs) / 2
    for store in fill_among_kills(table, tmp_path, moments, seed, count):
        assert table.list_differences(store) == []
        assert print_table(store, epochs, capsys) == wanted


@pytest.mark.chaos
def test_two_runners_fill_one_store(tmp_path: Path) -> None:
    table = Table(tmp_path, METHODS[:2], 8, **QUICK)
    command = table.command(tmp_path / "store", jobs=1)
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    told = []
    for process in both:
        out, err = process.communicate()
        assert process.returncode == 0, err
        told.append(json.loads(out))
    for each in told:
        assert each["stored"] + each["done"] == each["planned"] == len(table.specs)
        assert each["failed"] == 0
    for cells in zip(*(each["cells"] for each in told), strict=True):
        assert "done" in {cell["status"] for cell in cells}  # somebody made it
    assert table.list_differences(tmp_path / "store") == []


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[RunSpec], None]]:
    """Cells run in this process, as a worker would run them; what is put into the list is called before each."""
    before: list[Callable[[RunSpec], None]] = []

    def run_cells(specs: list[RunSpec], cell: Cell, jobs: int) -> Generator[Event, None, None]:
        for spec in specs:
            for call in before:
                call(spec)
            try:
                yield Ended(spec, cell(spec, lambda *_: None))
            except Exception as error:
                yield Ended(spec, "failed", f"{type(error).__name__}: {error}")

    monkeypatch.setattr(engine, "run_cells", run_cells)
    return before


def test_what_another_runner_stores_meanwhile_is_left_to_it(
    here: list[Callable[[RunSpec], None]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told as stored: the two runners' `done` add up to the cells that were planned."""
    table, store = Table(tmp_path, ["hard"], 3, **QUICK), Store(tmp_path / "store")

    def other(spec: RunSpec) -> None:
        if spec == table.specs[1]:
            record = Store(table.reference).get(spec)
            assert record is not None
            store.write(record)

    here.append(other)
    assert main([*table.words, "--store", str(store.root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["planned"], told["stored"], told["to_run"], told["done"], told["failed"]) == (3, 1, 2, 2, 0)
    assert [cell["status"] for cell in told["cells"]] == ["done", "stored", "done"]
    assert store.get(table.specs[1]) == Store(table.reference).get(table.specs[1])
    assert table.list_differences(store.root) == []


def fill(root: Path) -> None:
    """Not a byte is left."""
    with suppress(OSError), (root / "ballast").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


def remount(root: Path, how: str) -> None:
    """As soon as nobody writes."""
    while subprocess.run(["mount", "-o", f"remount,{how}", str(root)], capture_output=True, check=False).returncode:
        time.sleep(0.01)


TROUBLES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object], str]] = {
    "full": (
        fill,
        lambda root: (root / "ballast").unlink(),
        r"should have room for a record of 256 KiB, but has not \(No space left on device\); free some, and the same "
        r"command goes on\.",
    ),
    "read-only": (
        lambda root: remount(root, "ro"),
        lambda root: remount(root, "rw"),
        r"should be writable, but `[^`]*` is not \(Read-only file system\)\.",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("where", ["here", pytest.param("local", marks=pytest.mark.chaos)])
def test_a_store_that_takes_no_more_ends_the_run_in_one_sentence(
    where: str,
    trouble: str,
    small_disk: Callable[[int], Path],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """After the first of eight cells; with the trouble gone the same command completes."""
    if where == "here":
        request.getfixturevalue("here")
    root, table = small_disk(2048), Table(tmp_path, METHODS[:2], 4, **QUICK)
    store, (make, mend, sentence) = root / "store", TROUBLES[trouble]
    words = [*table.words, "--store", str(store), "--jobs", "1"]
    whole = progress.show_progress

    @contextmanager
    def troubled(specs: list[RunSpec], jobs: int) -> Iterator[Callable[[Event], None]]:
        with whole(specs, jobs) as show:

            def see(event: Event) -> None:
                show(event)
                if isinstance(event, Ended) and event.status == "done":
                    make(root)

            yield see

    with monkeypatch.context() as patch:
        patch.setattr(progress, "show_progress", troubled)
        assert main(words) == 1
    err = capfd.readouterr().err
    assert re.fullmatch(rf"mtlbench: The store `[^`]*` {sentence}", err.splitlines()[-1])
    assert "Traceback" not in err
    contents = Store(store).read()
    assert contents.problems == []
    assert 1 <= len(contents.records) < 8
    assert main(words) == 1  # nothing is tried while it lasts
    assert re.fullmatch(rf"mtlbench: The store `[^`]*` {sentence}\n", capfd.readouterr().err)
    mend(root)
    assert main(words) == 0
    assert table.list_differences(store) == []
