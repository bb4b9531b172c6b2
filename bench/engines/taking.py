"""Slurm jobs claim cells from a shared folder and append their events to a log.

folder/work.json      the cells and how they are run, written before the jobs, which know its digest
folder/taken/RUN_ID   a link whose target is the name of the job that has the cell: made whole, and by one only
folder/NAME.jsonl     the events of a job, one a line

The folder is its owner's alone, and nothing in it is unpickled: at worst a note is wrong, and records are what counts.
`python -m bench.engines.taking FOLDER DIGEST NAME INDEX` is a job.
"""

import hashlib
import importlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engines.events import Ended, Event, PortableCell, Progressed
from bench.engines.local import run_cells
from bench.records import RunSpec

PAUSE = 1.0  # seconds between two notes of progress, at least
GRACE_SECONDS = 60.0  # for a scheduler to end a job that it told to stop
TURNS = 1000  # times that a job may be stopped and go on


class Notes:
    """Event log of one job: the job appends, the runner reads the new lines."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0
        self.closed = False  # whether the notes that were read say that no cell was left

    def append(self, event: Event) -> None:
        """Add one event. Raises FileNotFoundError where the folder is gone."""
        content: dict[str, Any] = {"run_id": event.spec.run_id}
        if isinstance(event, Ended):
            content |= {"status": event.status, "error": event.error}
        else:
            content |= {"done": event.done, "epochs": event.epochs}
        self._write(content)

    def close(self) -> None:
        """Log that no cell was left to claim."""
        self._write({"closed": True})

    def _write(self, content: dict[str, Any]) -> None:
        if not self.path.parent.is_dir():
            raise FileNotFoundError(self.path)
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
                self.closed |= content.get("closed") is True
                spec = specs.get(content.pop("run_id", ""))
                if spec is not None:
                    yield Ended(spec, **content) if "status" in content else Progressed(spec, **content)
            except (AttributeError, TypeError, ValueError):  # an empty line, half of one, or no note
                continue


@dataclass(frozen=True)
class Taken:
    """Claims: which job runs which cell."""

    folder: Path

    def take(self, run_id: str, name: str) -> bool:
        """Claim a cell; whether this job has it now. Raises FileNotFoundError where the folder is gone."""
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
        """Release the claim on a cell."""
        (self.folder / run_id).unlink(missing_ok=True)


@dataclass(frozen=True)
class Work:
    """The job list: each job runs `width` cells at a time, always the first of `specs` that is not claimed."""

    cell: PortableCell
    specs: tuple[RunSpec, ...]
    width: int

    def write(self, folder: Path) -> str:
        """Write the job list into `folder`; returns the digest that jobs check it by."""
        kind = type(self.cell)
        content = {
            "kind": f"{kind.__module__}:{kind.__qualname__}",
            "cell": self.cell.as_json(),
            "specs": [spec.model_dump(mode="json") for spec in self.specs],
            "width": self.width,
        }
        data = json.dumps(content).encode()
        (folder / "work.json").write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    @classmethod
    def read(cls, folder: Path, digest: str) -> "Work":
        """What `write` wrote. Raises PermissionError, before anything of it is used, where it is not that."""
        check_private(folder)
        data = (folder / "work.json").read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise PermissionError(f"`{folder / 'work.json'}` should be what the runner wrote; somebody changed it.")
        content = json.loads(data)
        module, _, name = content["kind"].partition(":")
        cell: PortableCell = getattr(importlib.import_module(module), name).from_json(content["cell"])
        return cls(cell, tuple(map(RunSpec.model_validate, content["specs"])), content["width"])


class Job:
    """One job that works on the cells of a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.notes, self.taken = Notes(folder / f"{name}.jsonl"), Taken(folder / "taken")
        self._told: list[int] = []  # signals

    def run(self, work: Work) -> None:
        """Run cells until the list is empty, the time limit is near, or the runner has ended.

        Queued again after a warning of the scheduler's, it goes on: links and notes say what is left to do.
        """
        kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR2") if hasattr(signal, name)]
        before = {kind: signal.signal(kind, lambda number, _: self._told.append(number)) for kind in kinds}
        try:
            self._work(work)
            if not self._told:
                self.notes.close()
        except FileNotFoundError:  # the runner took the folder away: nobody waits for more
            return
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
        if signal.SIGUSR2 in self._told:
            _queue_again()

    def _work(self, work: Work) -> None:
        last, left = 0.0, self._left(work.specs)

        def take(spec: RunSpec) -> bool:
            return not self._told and self.taken.take(spec.run_id, self.name)

        with closing(run_cells(left, work.cell, min(work.width, len(left)), take)) as events:
            for event in events:
                if isinstance(event, Ended) and event.error:
                    time.sleep(PAUSE)  # a worker that the scheduler told to stop died; we are told in this moment too
                if self._told:
                    break
                if isinstance(event, Ended) or time.monotonic() - last > PAUSE:
                    last = time.monotonic()
                    self.notes.append(event)
        end = time.monotonic() + GRACE_SECONDS
        while self._told and signal.SIGUSR2 not in self._told and self.taken.folder.exists() and time.monotonic() < end:
            time.sleep(0.1)  # the warning, which is to be queued again, may follow

    def _left(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """Cells without a result, those first that this job had claimed before it was pre-empted."""
        by_id = {spec.run_id: spec for spec in specs}
        ended = {event.spec.run_id for event in Notes(self.notes.path).new(by_id) if isinstance(event, Ended)}
        left = [spec for spec in specs if spec.run_id not in ended]
        return sorted(left, key=lambda spec: self.taken.owner(spec.run_id) != self.name)


def make_private(folder: Path) -> Path:
    """Make a folder that its owner alone can look into, or find it. Raises PermissionError where it is another's."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    check_private(folder)
    return folder


def check_private(folder: Path) -> None:
    """Raise PermissionError, with one sentence, where others than this user can write to or read a folder."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(
            f"`{folder}` should be a folder of yours that others can neither read nor write (mode 700), since jobs "
            "take their work from it; remove it where no job of yours runs."
        )


def _queue_again() -> None:
    """Requeue this job with Slurm, since its time limit is near."""
    array, index = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    job = f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", "")
    if job and int(os.environ.get("SLURM_RESTART_COUNT", "0")) < TURNS:
        subprocess.run(["scontrol", "requeue", job], check=False)


def main() -> None:
    """Entry point of a job."""
    folder, digest, name, index = sys.argv[1:]
    Job(Path(folder), f"{name}-{index}").run(Work.read(Path(folder), digest))


if __name__ == "__main__":
    main()
