"""Jobs that share a folder with the runner: they take cells from one list, and note what they do.

folder/taken/RUN_ID   a link whose target is the name of the job that has the cell: made whole, and by one only
folder/NAME.jsonl     the events of a job, one a line
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engines.events import Cell, Ended, Event, Progressed
from bench.engines.local import run_cells
from bench.records import RunSpec

PAUSE = 1.0  # seconds between two notes of progress, at least
GRACE_SECONDS = 60.0  # for a scheduler to end a job that it told to stop


class Notes:
    """The events of one job: it appends, the runner reads what is new."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0

    def append(self, event: Event) -> None:
        """Add one event. Raises FileNotFoundError where the folder is gone."""
        content: dict[str, Any] = {"run_id": event.spec.run_id}
        if isinstance(event, Ended):
            content |= {"status": event.status, "error": event.error}
        else:
            content |= {"done": event.done, "epochs": event.epochs}
        with self.path.open("ab") as file:
            file.write(f"\n{json.dumps(content)}\n".encode())  # the first break ends a line that a kill left half
            file.flush()
            os.fsync(file.fileno())

    def new(self, specs: Mapping[str, RunSpec]) -> Iterator[Event]:
        """Events of `specs` (run id -> cell) that were not read before."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(end)
        for line in whole.splitlines():
            try:
                content = json.loads(line)
                spec = specs.get(content.pop("run_id"))
            except ValueError:  # an empty line, or half of one
                continue
            if spec is not None:
                yield Ended(spec, **content) if "status" in content else Progressed(spec, **content)


@dataclass(frozen=True)
class Taken:
    """Which job has which cell."""

    folder: Path

    def take(self, run_id: str, name: str) -> bool:
        """Whether the cell is the job's, from now on or already. Raises FileNotFoundError where the folder is gone."""
        try:
            os.symlink(name, self.folder / run_id)
        except FileExistsError:
            return self.owner(run_id) == name
        return True

    def owner(self, run_id: str) -> str | None:
        """The name of the job that has a cell."""
        try:
            return os.readlink(self.folder / run_id)
        except FileNotFoundError:
            return None

    def free(self, run_id: str) -> None:
        """Give a cell back."""
        (self.folder / run_id).unlink(missing_ok=True)


@dataclass(frozen=True)
class Job:
    """What a job does: `width` cells at a time, each time the first of `specs` that nobody has taken."""

    folder: Path
    name: str
    cell: Cell
    specs: tuple[RunSpec, ...]
    width: int

    @property
    def notes(self) -> Notes:
        """Its own, from the first line on."""
        return Notes(self.folder / f"{self.name}.jsonl")

    @property
    def taken(self) -> Taken:
        return Taken(self.folder / "taken")

    def __call__(self) -> bool:
        """Work until the list is empty; False where the scheduler, or the end of the runner, came first."""
        told: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
        try:
            self._work(told)
        except FileNotFoundError:  # the runner took the folder away: nobody waits for more
            return False
        finally:
            signal.signal(signal.SIGTERM, before)
        return not told

    def checkpoint(self) -> Any:
        """The job to queue again after a pre-emption: itself, since links and notes say what is left to do."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _work(self, told: list[int]) -> None:
        notes, last, left = self.notes, 0.0, self._left()

        def take(spec: RunSpec) -> bool:
            return not told and self.taken.take(spec.run_id, self.name)

        with closing(run_cells(left, self.cell, min(self.width, len(left)), take)) as events:
            for event in events:
                if isinstance(event, Ended) and event.error:
                    time.sleep(PAUSE)  # a worker that the scheduler told to stop died; we are told in this moment too
                if told:
                    break
                if isinstance(event, Ended) or time.monotonic() - last > PAUSE:
                    last = time.monotonic()
                    notes.append(event)
        end = time.monotonic() + GRACE_SECONDS
        while told and self.taken.folder.exists() and time.monotonic() < end:
            time.sleep(0.1)  # the signal to queue again may follow

    def _left(self) -> list[RunSpec]:
        """Cells that this job has not ended, those first that it had before it was pre-empted."""
        specs = {spec.run_id: spec for spec in self.specs}
        ended = {event.spec.run_id for event in self.notes.new(specs) if isinstance(event, Ended)}
        left = [spec for spec in self.specs if spec.run_id not in ended]
        return sorted(left, key=lambda spec: self.taken.owner(spec.run_id) != self.name)
