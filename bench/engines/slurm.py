"""Slurm engine: an array of jobs that claim cells from one list until it is empty; every node sees the store.

A job runs the local engine on its node and claims the next free cell whenever a worker is idle, so that no cell waits
behind a long one. A job that is pre-empted or reaches its time limit queues itself again and continues with its cells.
One that is lost is replaced, and the cells it had run again, RETRIES times at most.

This module is the runner's side: it submits jobs, reads their event logs and asks Slurm for their states. The jobs'
side is `bench.engines.taking`.
"""

import math
import os
import re
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.engines.engine import RETRIES, Engine
from bench.engines.events import Cell, Ended, Event, PortableCell
from bench.engines.sbatch import UNFINISHED, BatchSystem, LocalProcesses, Sbatch, last_line
from bench.engines.taking import Job, Work, make_private
from bench.errors import UsageError, make_printable
from bench.records import RunSpec

DEFAULT_JOBS = 16  # jobs at a time without `--jobs`: enough to matter, few enough not to fill a queue
DEFAULT_MINUTES = 240  # time limit of a job without `--sbatch time=`; a job that reaches it queues itself again
PAUSE = 1.0  # seconds between two reads of the event logs
ASK_SECONDS = 30.0  # between two calls of `sacct`, which loads a database that all users share
GRACE_SECONDS = 10.0  # for jobs to end before their folder goes
LOG_TAIL_BYTES = 1 << 14  # of a job's output, in which its last line is looked for
# Options of sbatch that the engine sets and a user may not: it would lose track of its jobs.
RESERVED_OPTIONS = ("array", "error", "job-name", "open-mode", "output", "parsable", "signal", "wrap")


class Slurm(Engine):
    """Jobs under Slurm, with a folder that every node sees.

    Args:
        folder: Where job lists, claims and event logs lie; made where it is absent, for its owner only.
        jobs: Cells at a time over all jobs; by default what DEFAULT_JOBS jobs have room for.
        options: Options of sbatch by long name, such as `partition` or `cpus-per-task` (default 1).
        cluster: None or `slurm` for Slurm; `local` runs the jobs as processes of this machine.

    Raises UsageError for another `cluster`, for an option that the engine sets itself, and for a `cpus-per-task` that
    is no positive whole number.
    """

    remote = True

    def __init__(
        self,
        folder: Path,
        jobs: int | None = None,
        options: Mapping[str, str] | None = None,
        cluster: str | None = None,
    ) -> None:
        self.folder, self.jobs = folder, jobs
        self.options = {key.replace("_", "-"): value for key, value in (options or {}).items()}
        if cluster not in (None, "slurm", "local"):
            raise UsageError(f"`--address` of Slurm should be `local`, or left out. Found `{cluster}`.")
        if reserved := [key for key in self.options if key in RESERVED_OPTIONS]:
            raise UsageError(f"`--sbatch {reserved[0]}` is set by the engine itself.")
        if not (cpus := self.options.get("cpus-per-task", "1")).isdigit() or not int(cpus):
            raise UsageError(f"`--sbatch cpus-per-task` should be a whole number of at least 1. Found `{cpus}`.")
        self.cpus = int(cpus)
        self.cluster: BatchSystem = LocalProcesses() if cluster == "local" else Sbatch()

    def __enter__(self) -> Self:
        """Raises UsageError where `sbatch` or `srun` is not installed."""
        if isinstance(self.cluster, Sbatch) and not (shutil.which("sbatch") and shutil.which("srun")):
            raise UsageError(
                "`--engine slurm` should be used on a machine with Slurm's `sbatch` and `srun`. Found none; "
                "`--address local` tries jobs on this machine."
            )
        return self

    def width(self, specs: Sequence[RunSpec]) -> int:
        return min(self.jobs or DEFAULT_JOBS * self._cells_per_job(specs), len(specs))

    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        assert isinstance(cell, PortableCell), "jobs are handed no Python objects"
        folder = make_private(make_private(self.folder) / f"{os.getpid()}-{secrets.token_hex(4)}")
        # A cell leaves `waiting` when its end was reported, and only then: this is what makes every cell end once.
        waiting = {spec.run_id: spec for spec in specs}
        lost, last = Counter[str](), ""
        jobs: list[_SubmittedJob] = []
        try:
            (folder / "taken").mkdir()
            digest = Work(cell, tuple(specs), self._cells_per_job(specs)).write(folder)
            count = math.ceil(self.width(specs) / self._cells_per_job(specs))
            jobs += self._submit(folder, digest, specs, [0] * count)
            asked = time.monotonic()
            while waiting:
                time.sleep(PAUSE)
                for job in jobs:
                    yield from _read_events(job, waiting)
                if time.monotonic() - asked < ASK_SECONDS:
                    continue
                asked = time.monotonic()
                replaced = []
                states = self.cluster.states([job.number for job in jobs])
                for job in [job for job in jobs if job.is_over(states[job.number])]:
                    jobs.remove(job)
                    yield from _read_events(job, waiting)
                    had = [spec for run_id, spec in waiting.items() if job.holds(run_id)]
                    # A job that ended with a closed log and without cells did all there was to do: nothing was lost.
                    if had or not job.notes.closed:
                        last = job.describe_end()
                        yield from _release_cells(job, had, waiting, lost)
                        replaced += job.successor(bool(had))
                if waiting and replaced:
                    jobs += self._submit(folder, digest, specs, replaced)
                elif not jobs:
                    for spec in waiting.values():
                        yield Ended(spec, "failed", f"no job is left to run it, the last one: {last}")
                    waiting.clear()
        finally:
            shutil.rmtree(folder / "taken", ignore_errors=True)  # what still runs takes no more
            self._cancel(jobs)
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another run has its folder there
                self.folder.rmdir()

    def _cells_per_job(self, specs: Sequence[RunSpec]) -> int:
        """Cells that one job runs at a time; at least one, since a job asks for no less."""
        return max(1, (self._gpus_per_job(specs) or self.cpus) // _devices_per_cell(specs))

    def _gpus_per_job(self, specs: Sequence[RunSpec]) -> int:
        """GPUs of a job, 0 on CPUs.

        The number at the end of the user's own `gres` or `gpus...` option; without one as many as a cell takes.
        """
        if specs[0].protocol.device == "cpu":
            return 0
        given = [value for key, value in self.options.items() if key == "gres" or key.startswith("gpus")]
        counts = [int(count) for value in given for count in re.findall(r"(?:^|:)(\d+)$", value)]
        return max(counts, default=1) if given else _devices_per_cell(specs)

    def _submit(
        self, folder: Path, digest: str, specs: Sequence[RunSpec], fruitless: list[int]
    ) -> "list[_SubmittedJob]":
        """Submit one job for each entry of `fruitless`.

        Args:
            folder: The private folder of this run, with the job list.
            digest: SHA-256 of the job list, by which jobs check it.
            specs: The cells; they decide how many CPUs and GPUs a job takes.
            fruitless: For each job, how many predecessors in a row were lost before they claimed a cell.
        """
        width, gpus, name = self._cells_per_job(specs), self._gpus_per_job(specs), secrets.token_hex(4)
        cpus = self.cpus if gpus else max(self.cpus, width * _devices_per_cell(specs))
        user_named_gpus = any(key == "gres" or key.startswith("gpus") for key in self.options)
        own = {"nodes": "1", "ntasks": "1", "time": str(DEFAULT_MINUTES)}
        own |= {"gpus-per-node": str(gpus)} if gpus and not user_named_gpus else {}
        command = [sys.executable, "-u", "-m", "bench.engines.taking", str(folder), digest, name]
        log, options = folder / "job-", own | self.options | {"cpus-per-task": str(cpus)}
        numbers = self.cluster.submit(command, len(fruitless), log, options)
        return [
            _SubmittedJob(Job(folder, f"{name}-{index}"), number, self.cluster.log(number, log), tries)
            for index, (number, tries) in enumerate(zip(numbers, fruitless, strict=True))
        ]

    def _cancel(self, jobs: "Sequence[_SubmittedJob]") -> None:
        """End jobs that wait or run, and wait up to GRACE_SECONDS until Slurm says that they have ended."""
        left, end = [job.number for job in jobs], time.monotonic() + GRACE_SECONDS
        for job in jobs:
            if not job.notes.closed:
                self.cluster.cancel(job.number)
        while left and time.monotonic() < end:
            states = self.cluster.states(left)
            left = [number for number in left if states[number].partition(" ")[0] in UNFINISHED]
            time.sleep(PAUSE / 4 if left else 0)


@dataclass
class _SubmittedJob:
    """A job and its number with the scheduler.

    `fruitless` counts its predecessors in a row that were lost before they claimed a cell: after RETRIES of them nobody
    stands in for a job, since the cause is then not the cell. `answers` counts how often in a row the scheduler said
    that it has ended.
    """

    job: Job
    number: str
    log: Path
    fruitless: int
    state: str = "UNKNOWN"
    answers: int = 0

    def __post_init__(self) -> None:
        self.notes = self.job.notes

    def is_over(self, state: str) -> bool:
        """Whether it ended for good, where the scheduler says `state` now.

        Two answers in a row are needed: notes travel more slowly than states, and PREEMPTED may turn into PENDING.
        """
        self.state = state
        self.answers = self.answers + 1 if self.notes.closed or state.partition(" ")[0] not in UNFINISHED else 0
        return self.answers > 1

    def holds(self, run_id: str) -> bool:
        """Whether this job has claimed the cell."""
        return self.job.claims.owner(run_id) == self.job.name

    def release(self, run_id: str) -> None:
        """Remove the claim, so that another job can have the cell."""
        self.job.claims.release(run_id)

    def successor(self, had_cells: bool) -> list[int]:
        """The `fruitless` count of the job that should replace this one, as a list of one; empty where none should."""
        if self.cancelled or (not had_cells and self.fruitless == RETRIES):
            return []
        return [0 if had_cells else self.fruitless + 1]

    @property
    def cancelled(self) -> bool:
        """Whether a person or an administrator ended it with `scancel`: it is not replaced then."""
        return self.state.startswith("CANCELLED")

    def describe_end(self) -> str:
        """How the job ended, in a sentence, with the last line of its output."""
        said = ""
        if self.log.exists():
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
                said = last_line(file.read().decode(errors="replace"))
        return f"job {self.number} ended as {self.state}" + (f" ({make_printable(said, 300)})" if said else "")


def _read_events(job: _SubmittedJob, waiting: dict[str, RunSpec]) -> Iterator[Event]:
    """The new events of a job; a cell that ended is removed from `waiting`, and a second end of it is dropped."""
    for event in job.notes.read_new(waiting):
        if not isinstance(event, Ended) or waiting.pop(event.spec.run_id, None) is not None:
            yield event


def _release_cells(
    job: _SubmittedJob, had: Sequence[RunSpec], waiting: dict[str, RunSpec], lost: Counter[str]
) -> Iterator[Event]:
    """Release the cells that a lost job had for others; a cell that was lost too often ends as failed.

    Args:
        job: The job that is over.
        had: The unfinished cells that it had claimed.
        waiting: run id -> cell, all that have not ended; the failed ones are removed.
        lost: run id -> how often the cell was lost; counted up here.
    """
    for spec in had:
        lost[spec.run_id] += 1
        if not job.cancelled and lost[spec.run_id] <= RETRIES:
            job.release(spec.run_id)
            continue
        del waiting[spec.run_id]
        often = "" if job.cancelled else f"lost {lost[spec.run_id]} times, the last time: "
        yield Ended(spec, "failed", f"{often}{job.describe_end()}")


def _devices_per_cell(specs: Sequence[RunSpec]) -> int:
    """How many CPUs or GPUs a cell takes; the widest cell decides."""
    return max(spec.protocol.devices for spec in specs)
