"""Slurm's commands (`sbatch`, `sacct`, `scancel`), or processes of this machine in their place.

Submits jobs, asks for their states, and cancels them, for `bench.engines.slurm`. A job is a command line: no Python
object is handed over, and all that is known of a job is Slurm's word for its state.
"""

import os
import shlex
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

# States in which a job may still run, in the words of `sacct`. Every other word means that it has ended.
# UNKNOWN is ours, for a job that the accounting has not heard of yet: it may be seconds behind.
UNFINISHED = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "SUSPENDED", "STOPPED", "RESIZING"),
    *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "UNKNOWN"),
}


class BatchSystem(ABC):
    """Where jobs run. A job is known by a text, such as Slurm's `12_3`: the third job of array 12."""

    @abstractmethod
    def submit(self, command: Sequence[str], count: int, log: Path, options: Mapping[str, str]) -> list[str]:
        """Start `command NUMBER` for every number below `count`.

        Args:
            command: Program and arguments; the number is appended.
            count: How many jobs, at least 1.
            log: Beginning of the paths that the jobs' output goes to; `log()` gives the whole path.
            options: Options of sbatch by long name without dashes, `cpus-per-task` among them.

        Returns:
            One name per job, in the order of the numbers.

        Raises OSError with Slurm's own last line where the jobs were refused.
        """

    @abstractmethod
    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        """job -> Slurm's word for its state; `UNKNOWN` where there is none yet."""

    @abstractmethod
    def cancel(self, job: str) -> None:
        """End a job that waits or runs; no effect on one that has ended."""

    @abstractmethod
    def log(self, job: str, log: Path) -> Path:
        """The file with the output of a job; `log` is what `submit` was given."""


class Sbatch(BatchSystem):
    """Slurm itself: one job array for each submission."""

    def submit(self, command: Sequence[str], count: int, log: Path, options: Mapping[str, str]) -> list[str]:
        given = {
            "array": f"0-{count - 1}%{count}",
            "job-name": "mtlbench",
            "output": f"{log}%A_%a.log",
            "open-mode": "append",  # a job that is queued again goes on in its file
            # SIGUSR2 90 seconds before the time limit, so that cells can stop and the job can queue itself again.
            # Options of the user come last and win.
            "signal": "USR2@90",
            **options,
        }
        cpus = options["cpus-per-task"]  # which srun does not take over from sbatch any more
        step = shlex.join(["srun", "--unbuffered", f"--cpus-per-task={cpus}", *command])
        done = subprocess.run(
            ["sbatch", "--parsable", *(f"--{key}={value}" for key, value in given.items())],
            input=f"#!/bin/bash\n{step} $SLURM_ARRAY_TASK_ID\n",  # not in a file that somebody could change meanwhile
            env=job_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        number = done.stdout.strip().partition(";")[0]
        if done.returncode or not number.isdecimal():
            raise OSError(f"`sbatch` should take the jobs. Found: {last_line(done.stderr or done.stdout)}")
        return [f"{number}_{index}" for index in range(count)]

    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        arrays = sorted({job.partition("_")[0] for job in jobs})
        command = ["sacct", "--noheader", "--parsable2", "--format=JobID,State", *(f"--jobs={a}" for a in arrays)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        words = dict(line.split("|")[:2] for line in said.splitlines() if "|" in line)
        return {job: words.get(job, "UNKNOWN") for job in jobs}

    def cancel(self, job: str) -> None:
        subprocess.run(["scancel", job], capture_output=True, check=False)

    def log(self, job: str, log: Path) -> Path:
        return log.with_name(f"{log.name}{job}.log")


class LocalProcesses(BatchSystem):
    """Processes of this machine in place of jobs, to try `--engine slurm` where there is no Slurm.

    Each gets a session of its own, so that cancelling ends it together with its workers.
    """

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, command: Sequence[str], count: int, log: Path, options: Mapping[str, str]) -> list[str]:
        jobs = []
        for index in range(count):
            job = f"{len(self._processes) + 1}_{index}"
            with self.log(job, log).open("ab") as said:
                self._processes[job] = subprocess.Popen(
                    [*command, str(index)],
                    env=job_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            jobs.append(job)
        return jobs

    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        codes = {job: self._processes[job].poll() for job in jobs}
        return {job: "RUNNING" if code is None else "FAILED" if code else "COMPLETED" for job, code in codes.items()}

    def cancel(self, job: str) -> None:
        process = self._processes[job]
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)

    def log(self, job: str, log: Path) -> Path:
        return log.with_name(f"{log.name}{job}.log")


def job_environment() -> dict[str, str]:
    """Environment of a job: this process's own, with its import path.

    PYTHONPATH makes a new interpreter find the same modules; PYTHONSAFEPATH keeps the current folder from hiding one.
    """
    return os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path), "PYTHONSAFEPATH": "1"}


def last_line(text: str) -> str:
    """The last line that is not blank, stripped; an empty text where there is none."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
