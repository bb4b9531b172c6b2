"""Slurm's own commands, and processes of this machine in their place: jobs are submitted, asked about, and cancelled.

Nothing of Python's is handed over: a job is a command line, and what is known of it is a word of Slurm's.
"""

import os
import shlex
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

# Words of `sacct` for jobs that may still do something; every other one is an end.
ALIVE = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "SUSPENDED", "STOPPED", "RESIZING"),
    *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "UNKNOWN"),
}


class BatchSystem(ABC):
    """Where jobs run. A job is known by a text, as Slurm's `12_3`."""

    @abstractmethod
    def submit(self, command: Sequence[str], count: int, log: Path, options: Mapping[str, str]) -> list[str]:
        """Start `command NUMBER` for every number below `count`; what they say goes into files beginning with `log`."""

    @abstractmethod
    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        """The word for each job; `UNKNOWN` where there is none yet."""

    @abstractmethod
    def cancel(self, job: str) -> None:
        """End a job that waits or runs."""

    @abstractmethod
    def log(self, job: str, log: Path) -> Path:
        """The file of a job."""


class Sbatch(BatchSystem):
    """One array of jobs for each submission."""

    def submit(self, command: Sequence[str], count: int, log: Path, options: Mapping[str, str]) -> list[str]:
        given = {
            "array": f"0-{count - 1}%{count}",
            "job-name": "mtlbench",
            "output": f"{log}%A_%a.log",
            "open-mode": "append",  # a job that is queued again goes on in its file
            "signal": "USR2@90",
            **options,
        }
        cpus = options["cpus-per-task"]  # which srun does not take over from sbatch any more
        step = shlex.join(["srun", "--unbuffered", f"--cpus-per-task={cpus}", *command])
        done = subprocess.run(
            ["sbatch", "--parsable", *(f"--{key}={value}" for key, value in given.items())],
            input=f"#!/bin/bash\n{step} $SLURM_ARRAY_TASK_ID\n",  # not in a file that somebody could change meanwhile
            env=environment(),
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


class Here(BatchSystem):
    """Processes of this machine, to try what jobs would do."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, command: Sequence[str], count: int, log: Path, options: Mapping[str, str]) -> list[str]:
        jobs = []
        for index in range(count):
            job = f"{len(self._processes) + 1}_{index}"
            with self.log(job, log).open("ab") as said:
                self._processes[job] = subprocess.Popen(
                    [*command, str(index)],
                    env=environment(),
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


def environment() -> dict[str, str]:
    """That of this process, with which a command of Python's finds the same modules, and none beside it by chance."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path), "PYTHONSAFEPATH": "1"}


def last_line(text: str) -> str:
    """The last line in which something is said."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
