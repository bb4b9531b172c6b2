"""Slurm engine: an array of jobs that claim cells from one list until it is empty; every node sees the store.

A job runs the local engine on its node and takes the next cell that nobody has whenever a worker is free, so that no
cell waits behind a long one. A job that is pre-empted or runs out of time queues itself again and goes on with
its cells. One that is lost is replaced, and the cells it had are run again, RETRIES times at most.
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
from bench.engines.sbatch import ALIVE, BatchSystem, Here, Sbatch, last_line
from bench.engines.taking import Job, Work, make_private
from bench.errors import UsageError, make_printable
from bench.records import RunSpec

JOBS = 16  # at a time, where the user says nothing
MINUTES = 240  # limit of a job, where the user says nothing; a job that reaches it goes on in the queue
PAUSE = 1.0  # seconds between two looks at the notes
ASK_SECONDS = 30.0  # between two questions to Slurm; a job is over when two answers say so
GRACE_SECONDS = 10.0  # for jobs to end before their folder goes
KEPT = 1 << 14  # bytes of the end of what a job said
# Options of sbatch that the engine sets.
OURS = ("array", "error", "job-name", "open-mode", "output", "parsable", "signal", "wrap")


class Slurm(Engine):
    """Jobs under `options` of sbatch, with a folder that every node sees; `cluster="local"` runs them here instead."""

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
        if taken := [key for key in self.options if key in OURS]:
            raise UsageError(f"`--sbatch {taken[0]}` is set by the engine itself.")
        if not (cpus := self.options.get("cpus-per-task", "1")).isdigit() or not int(cpus):
            raise UsageError(f"`--sbatch cpus-per-task` should be a whole number of at least 1. Found `{cpus}`.")
        self.cpus = int(cpus)
        self.cluster: BatchSystem = Here() if cluster == "local" else Sbatch()

    def __enter__(self) -> Self:
        if isinstance(self.cluster, Sbatch) and not (shutil.which("sbatch") and shutil.which("srun")):
            raise UsageError(
                "`--engine slurm` should be used on a machine with Slurm's `sbatch` and `srun`. Found none; "
                "`--address local` tries jobs on this machine."
            )
        return self

    def width(self, specs: Sequence[RunSpec]) -> int:
        return min(self.jobs or JOBS * self._width_of_job(specs), len(specs))

    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        assert isinstance(cell, PortableCell), "jobs are handed no Python objects"
        folder = make_private(make_private(self.folder) / f"{os.getpid()}-{secrets.token_hex(4)}")
        waiting = {spec.run_id: spec for spec in specs}
        lost, last = Counter[str](), ""
        jobs: list[_Placed] = []
        try:
            (folder / "taken").mkdir()
            digest = Work(cell, tuple(specs), self._width_of_job(specs)).write(folder)
            count = math.ceil(self.width(specs) / self._width_of_job(specs))
            jobs += self._submit(folder, digest, specs, [0] * count)
            asked = time.monotonic()
            while waiting:
                time.sleep(PAUSE)
                for job in jobs:
                    yield from _news(job, waiting)
                if time.monotonic() - asked < ASK_SECONDS:
                    continue
                asked = time.monotonic()
                replaced = []
                states = self.cluster.states([job.number for job in jobs])
                for job in [job for job in jobs if job.over(states[job.number])]:
                    jobs.remove(job)
                    yield from _news(job, waiting)
                    had = [spec for run_id, spec in waiting.items() if job.has(run_id)]
                    if had or not job.notes.closed:
                        last = job.end()
                        yield from _give_back(job, had, waiting, lost)
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

    def _width_of_job(self, specs: Sequence[RunSpec]) -> int:
        """Cells at a time that a job has room for; one at least, since it asks for no less."""
        return max(1, (self._gpus(specs) or self.cpus) // _devices(specs))

    def _gpus(self, specs: Sequence[RunSpec]) -> int:
        """What a job is given: the number that an option of the user's ends in, or as many as a cell takes."""
        if specs[0].protocol.device == "cpu":
            return 0
        given = [value for key, value in self.options.items() if key == "gres" or key.startswith("gpus")]
        counts = [int(count) for value in given for count in re.findall(r"(?:^|:)(\d+)$", value)]
        return max(counts, default=1) if given else _devices(specs)

    def _submit(self, folder: Path, digest: str, specs: Sequence[RunSpec], barren: list[int]) -> "list[_Placed]":
        """As many jobs as `barren` has numbers."""
        width, gpus, name = self._width_of_job(specs), self._gpus(specs), secrets.token_hex(4)
        cpus = self.cpus if gpus else max(self.cpus, width * _devices(specs))
        named = any(key == "gres" or key.startswith("gpus") for key in self.options)
        own = {"nodes": "1", "ntasks": "1", "time": str(MINUTES)}
        own |= {"gpus-per-node": str(gpus)} if gpus and not named else {}
        command = [sys.executable, "-u", "-m", "bench.engines.taking", str(folder), digest, name]
        log, options = folder / "job-", own | self.options | {"cpus-per-task": str(cpus)}
        numbers = self.cluster.submit(command, len(barren), log, options)
        return [
            _Placed(Job(folder, f"{name}-{index}"), number, self.cluster.log(number, log), tries)
            for index, (number, tries) in enumerate(zip(numbers, barren, strict=True))
        ]

    def _cancel(self, jobs: "Sequence[_Placed]") -> None:
        """End jobs that wait or run, and give all of them a moment for it."""
        left, end = [job.number for job in jobs], time.monotonic() + GRACE_SECONDS
        for job in jobs:
            if not job.notes.closed:
                self.cluster.cancel(job.number)
        while left and time.monotonic() < end:
            states = self.cluster.states(left)
            left = [number for number in left if states[number].partition(" ")[0] in ALIVE]
            time.sleep(PAUSE / 4 if left else 0)


@dataclass
class _Placed:
    """A job and its number with the scheduler; `barren` forerunners in a row were lost before they took a cell."""

    job: Job
    number: str
    log: Path
    barren: int
    state: str = "UNKNOWN"
    answers: int = 0

    def __post_init__(self) -> None:
        self.notes = self.job.notes

    def over(self, state: str) -> bool:
        """Whether it ended for good, where the scheduler says `state` now.

        Two answers in a row, since notes travel more slowly than states, and PREEMPTED may turn into PENDING.
        """
        self.state = state
        self.answers = self.answers + 1 if self.notes.closed or state.partition(" ")[0] not in ALIVE else 0
        return self.answers > 1

    def has(self, run_id: str) -> bool:
        """Whether the cell is taken by this job."""
        return self.job.taken.owner(run_id) == self.job.name

    def free(self, run_id: str) -> None:
        """Let another job take the cell."""
        self.job.taken.free(run_id)

    def successor(self, had_cells: bool) -> list[int]:
        """The `barren` of the job that should stand in for this one, if any should."""
        if self.cancelled or (not had_cells and self.barren == RETRIES):
            return []
        return [0 if had_cells else self.barren + 1]

    @property
    def cancelled(self) -> bool:
        """Whether somebody ended it on purpose."""
        return self.state.startswith("CANCELLED")

    def end(self) -> str:
        """How it ended, in a sentence."""
        said = ""
        if self.log.exists():
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - KEPT))
                said = last_line(file.read().decode(errors="replace"))
        return f"job {self.number} ended as {self.state}" + (f" ({make_printable(said, 300)})" if said else "")


def _news(job: _Placed, waiting: dict[str, RunSpec]) -> Iterator[Event]:
    """The new events of a job; cells that ended are no longer waited for."""
    for event in job.notes.new(waiting):
        if not isinstance(event, Ended) or waiting.pop(event.spec.run_id, None) is not None:
            yield event


def _give_back(
    job: _Placed, had: Sequence[RunSpec], waiting: dict[str, RunSpec], lost: Counter[str]
) -> Iterator[Event]:
    """Release the cells of a lost job for others, unless they were lost too often."""
    for spec in had:
        lost[spec.run_id] += 1
        if not job.cancelled and lost[spec.run_id] <= RETRIES:
            job.free(spec.run_id)
            continue
        del waiting[spec.run_id]
        often = "" if job.cancelled else f"lost {lost[spec.run_id]} times, the last time: "
        yield Ended(spec, "failed", f"{often}{job.end()}")


def _devices(specs: Sequence[RunSpec]) -> int:
    """How many CPUs or GPUs a cell takes."""
    return max(spec.protocol.devices for spec in specs)
