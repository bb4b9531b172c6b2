"""Too few open files, too little memory: one sentence that says what to raise."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bench.system.shortage import check_open_files, describe_memory_limit, explain_shortage

RUN = [
    "run",
    "synthetic:tasks=2,train=64",
    "hard",
    "--device",
    "cpu",
    "--set",
    "epochs=1",
    "--set",
    "steps_per_epoch=1",
]


def limited(store: Path, kind: int, most: int, *more: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process that is allowed `most` of something."""
    path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-m", "bench.cli.main", *RUN, "--store", str(store), *more],
        env=os.environ | {"PYTHONPATH": path},
        preexec_fn=lambda: resource.setrlimit(kind, (most, most)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("files", "jobs", "sentence"),
    [
        (6, 1, "More files should be open at a time than 6; raise that, as with `ulimit -n 1024`."),
        (
            14,
            1,
            "A command with 1 worker should be allowed 16 open files. Found 14; raise that, as with `ulimit -n 1024`, "
            "or give fewer `--jobs`.",
        ),
        (
            16,
            2,
            "A command with 2 workers should be allowed 18 open files. Found 16; raise that, as with `ulimit -n 1024`, "
            "or give fewer `--jobs`.",
        ),
    ],
)
def test_too_few_open_files_are_a_sentence(files: int, jobs: int, sentence: str, tmp_path: Path) -> None:
    done = limited(tmp_path, resource.RLIMIT_NOFILE, files, "--seeds", f"0-{jobs - 1}", "--jobs", str(jobs))
    assert (done.returncode, done.stderr) == (1, f"mtlbench: {sentence}\n")


def test_sixteen_open_files_are_enough_for_one_worker(tmp_path: Path) -> None:
    done = limited(tmp_path, resource.RLIMIT_NOFILE, 16, "--jobs", "1")
    assert done.returncode == 0, done.stderr


def test_too_little_memory_is_a_sentence(tmp_path: Path) -> None:
    done = limited(tmp_path, resource.RLIMIT_AS, 1000 << 20, "--jobs", "1")
    assert done.returncode == 1
    assert done.stderr == (
        "mtlbench: More memory should be addressable than 1,000 MB; raise that, as with `ulimit -v unlimited`.\n"
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
def test_errors_that_mean_too_little_memory(error: Exception) -> None:
    assert explain_shortage(error).startswith("More memory should be ")
    assert explain_shortage(str(error) or error).startswith("More memory should be ")


def test_other_errors_are_not_explained() -> None:
    for error in (ValueError("memory"), OSError(errno.ENOENT, "No such file"), ImportError("No module named `x`")):
        assert explain_shortage(error) == ""
    assert explain_shortage(OSError(errno.EMFILE, "Too many open files")).startswith("More files should be open")
    check_open_files(3, "A command")
    assert describe_memory_limit() == ""
