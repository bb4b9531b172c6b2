"""Slurm jobs claim cells from a shared folder and append their events to a log.

folder/work.json      the job list; jobs are given its digest
folder/taken/RUN_ID   a symbolic link to the name of the job that claimed the cell: creating it is atomic
folder/NAME.jsonl     the events of a job, one a line

The folder is its owner's alone, and nothing in it is unpickled: at worst an event is wrong, and only records count.
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

PAUSE = 1.0  # seconds between two progress events, at least: each is synced to a network file system
GRACE_SECONDS = 60.0  # that a job which was told to end waits for the signal to queue itself again
MAX_REQUEUES = 1000  # so that a job that never finishes a cell in its time does not come back for ever


class Notes:
    """Event log of one job, one JSON object a line: the job appends, the runner reads the new lines.

    `closed` is True once the runner has read that the job found no cell left.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0
        self.closed = False  # whether the notes that were read say that no cell was left

    def append(self, event: Event) -> None:
        """Append one event and sync it. Raises FileNotFoundError where the folder is gone: the runner has ended."""
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
        """Append one line and sync it. Raises FileNotFoundError where the folder is gone."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(self.path)
        with self.path.open("ab") as file:
            file.write(f"\n{json.dumps(content)}\n".encode())  # the first break ends a line that a kill left half
            file.flush()
            os.fsync(file.fileno())

    def read_new(self, specs: Mapping[str, RunSpec]) -> Iterator[Event]:
        """The events of `specs` (run id -> cell) that were appended since the last call.

        Half a line at the end, which a job is about to write, waits for the next call; lines that are no events are
        skipped.
        """
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
class Claims:
    """Claims of cells: `folder` holds a symbolic link RUN_ID -> name of the job for each."""

    folder: Path

    def claim(self, run_id: str, name: str) -> bool:
        """Claim a cell for the job `name`; returns whether this job has it now, also from an earlier call.

        Of several jobs at once exactly one gets it. Raises FileNotFoundError where the folder is gone.
        """
        try:
            os.symlink(name, self.folder / run_id)
        except FileExistsError:
            return self.owner(run_id) == name
        return True

    def owner(self, run_id: str) -> str | None:
        """The name of the job that claimed a cell; None where it is free."""
        try:
            return os.readlink(self.folder / run_id)
        except FileNotFoundError:
            return None

    def release(self, run_id: str) -> None:
        """Release the claim on a cell."""
        (self.folder / run_id).unlink(missing_ok=True)


@dataclass(frozen=True)
class Work:
    """The job list: each job runs `width` cells at a time, always the first of `specs` that nobody has claimed."""

    cell: PortableCell
    specs: tuple[RunSpec, ...]
    width: int

    def write(self, folder: Path) -> str:
        """Write the job list into `folder`; returns its SHA-256 (hex), by which jobs check it."""
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
        """Read the job list that `write` wrote.

        Raises PermissionError, before anything of it is used, where others can write to the folder or the digest is
        another.
        """
        check_private(folder)
        data = (folder / "work.json").read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise PermissionError(f"`{folder / 'work.json'}` should be what the runner wrote; somebody changed it.")
        content = json.loads(data)
        module, _, name = content["kind"].partition(":")
        cell: PortableCell = getattr(importlib.import_module(module), name).from_json(content["cell"])
        return cls(cell, tuple(map(RunSpec.model_validate, content["specs"])), content["width"])


class Job:
    """One Slurm job, `name`, that works on the cells of a folder. `_signals` are those that it was sent."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.notes, self.claims = Notes(folder / f"{name}.jsonl"), Claims(folder / "taken")
        self._signals: list[int] = []  # signals

    def run(self, work: Work) -> None:
        """Run cells until the list is empty, the time limit is near, or the runner has ended.

        Queued again after the scheduler's warning (SIGUSR2), the job continues: claims and its log say what is left to
        do.
        """
        kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR2") if hasattr(signal, name)]
        before = {kind: signal.signal(kind, lambda number, _: self._signals.append(number)) for kind in kinds}
        try:
            self._run_cells(work)
            if not self._signals:
                self.notes.close()
        except FileNotFoundError:  # the runner took the folder away: nobody waits for more
            return
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
        if signal.SIGUSR2 in self._signals:
            _queue_again()

    def _run_cells(self, work: Work) -> None:
        """Run and log the cells that are left, until none is or a signal comes."""
        last, left = 0.0, self._list_left(work.specs)

        def claim(spec: RunSpec) -> bool:
            return not self._signals and self.claims.claim(spec.run_id, self.name)

        with closing(run_cells(left, work.cell, min(work.width, len(left)), claim)) as events:
            for event in events:
                if isinstance(event, Ended) and event.error:
                    time.sleep(PAUSE)  # a worker that the scheduler told to stop died; we are told in this moment too
                if self._signals:
                    break
                if isinstance(event, Ended) or time.monotonic() - last > PAUSE:
                    last = time.monotonic()
                    self.notes.append(event)
        end = time.monotonic() + GRACE_SECONDS
        while (
            self._signals
            and signal.SIGUSR2 not in self._signals
            and self.claims.folder.exists()
            and time.monotonic() < end
        ):
            time.sleep(0.1)  # the warning, which is to be queued again, may follow

    def _list_left(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """Cells without a result in this job's log; first those that it had claimed before it was pre-empted."""
        by_id = {spec.run_id: spec for spec in specs}
        ended = {event.spec.run_id for event in Notes(self.notes.path).read_new(by_id) if isinstance(event, Ended)}
        left = [spec for spec in specs if spec.run_id not in ended]
        return sorted(left, key=lambda spec: self.claims.owner(spec.run_id) != self.name)


def make_private(folder: Path) -> Path:
    """Make a folder with mode 700, or accept an existing one. Raises PermissionError where others have access to it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    check_private(folder)
    return folder


def check_private(folder: Path) -> None:
    """Raise PermissionError where others than this user can read or write a folder, or it is no folder."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise PermissionError(
            f"`{folder}` should be a folder of yours that others can neither read nor write (mode 700), since jobs "
            "take their work from it; remove it where no job of yours runs."
        )


def _queue_again() -> None:
    """Requeue this job with Slurm, since its time limit is near; no effect outside of Slurm."""
    array, index = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    job = f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", "")
    if job and int(os.environ.get("SLURM_RESTART_COUNT", "0")) < MAX_REQUEUES:
        subprocess.run(["scontrol", "requeue", job], check=False)


def main() -> None:
    """Entry point of a job: `FOLDER DIGEST NAME INDEX` on the command line."""
    folder, digest, name, index = sys.argv[1:]
    Job(Path(folder), f"{name}-{index}").run(Work.read(Path(folder), digest))


if __name__ == "__main__":
    main()
