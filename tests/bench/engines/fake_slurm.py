"""A Slurm of one machine for tests: `sbatch`, `srun`, `sacct`, `scancel` and `scontrol` as far as the engine uses them.

Jobs of an array start at once. A signal reaches every process of a job's step, as with Slurm itself.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

KILL_WAIT = 2.0  # seconds between the two signals of `scancel`
COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")


def install(folder: Path) -> Path:
    """Put the commands into `folder`/bin and return it; what they keep lies in `folder`/state."""
    binaries, state = folder / "bin", folder / "state"
    binaries.mkdir(parents=True)
    state.mkdir()
    for command in COMMANDS:
        file = binaries / command
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {command} "{state}" "$@"\n')
        file.chmod(0o755)
    return binaries


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.rename(path)


def sbatch(state: Path, *arguments: str) -> None:
    """Start every job of the array, each under a process that watches it."""
    number = 1 + len(list(state.glob("*.sbatch")))
    text = "".join(f"#SBATCH {argument}\n" for argument in arguments)
    write(state / f"{number}.sbatch", text)
    script = state / f"{number}.sh"
    write(script, sys.stdin.read())
    array = re.search(r"--array=0-(\d+)", text)
    output = re.search(r"--output=(.*)", text)
    assert output is not None
    for job in [f"{number}_{k}" for k in range(int(array[1]) + 1)] if array else [str(number)]:
        write(state / f"{job}.state", "PENDING")
        command, null = [sys.executable, __file__, "watch", str(state), job, str(script), output[1]], subprocess.DEVNULL
        subprocess.Popen(command, start_new_session=True, stdin=null, stdout=null, stderr=null)
    print(number)


def watch(state: Path, job: str, script: str, output: str) -> None:
    """Run a job until it ends without having been queued again."""
    main, _, index = job.partition("_")
    environment = os.environ | {"SLURM_JOB_ID": job, "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    environment |= {"SLURM_ARRAY_JOB_ID": main, "SLURM_ARRAY_TASK_ID": index} if index else {}
    while True:
        write(state / f"{job}.state", "RUNNING")
        with open(output.replace("%A", main).replace("%a", index), "ab") as said:
            done = subprocess.run(["bash", script], env=environment, check=False, stdout=said, stderr=said)
        if (state / f"{job}.requeued").exists():
            (state / f"{job}.requeued").unlink()
            continue
        wanted = state / f"{job}.ends_as"
        ending = wanted.read_text() if wanted.exists() else "COMPLETED" if done.returncode == 0 else "FAILED"
        write(state / f"{job}.state", ending)
        return


def srun(state: Path, *arguments: str) -> None:
    """Run the command of a job as its step, in a process group of its own."""
    job, rest = os.environ["SLURM_JOB_ID"], list(arguments)
    while rest[0].startswith("--"):
        rest.pop(0)
    step = subprocess.Popen(rest, start_new_session=True)
    write(state / f"{job}.step", str(step.pid))
    code = step.wait()
    os.killpg(step.pid, signal.SIGKILL) if _alive(step.pid) else None  # as Slurm clears up after a step
    sys.exit(code if code >= 0 else 128 - code)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def sacct(state: Path, *_: str) -> None:
    """The state of all jobs."""
    print("JobID|State|NodeList")
    for path in sorted(state.glob("*.state")):
        print(f"{path.stem}|{path.read_text()}|node0")


def scancel(state: Path, job: str, *arguments: str) -> None:
    """Signal a job, or end it."""
    step = state / f"{job}.step"
    if arguments:
        os.killpg(int(step.read_text()), getattr(signal, f"SIG{arguments[1].removeprefix('SIG')}"))
        return
    write(state / f"{job}.ends_as", "CANCELLED by 0")
    group = int(step.read_text()) if step.exists() else 0
    for kind in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + KILL_WAIT
        if group and _alive(group):
            os.killpg(group, kind)
        while group and _alive(group) and time.monotonic() < deadline:
            time.sleep(0.05)


def scontrol(state: Path, _: str, job: str) -> None:
    """Queue a job again when it ends."""
    write(state / f"{job}.requeued", "")


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
