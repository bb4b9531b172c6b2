"""Where a command is typed: files, folders and variables there that are none of its business."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.engines import local
from bench.training.fit import fit
from leaderboard.store import Store
from tests.bench.execution.tables import tiny

RUN = [
    "run",
    "synthetic:tasks=2,train=64",
    "hard",
    "--seeds",
    "0",
    "--device",
    "cpu",
    "--jobs",
    "1",
    "--store",
    "store",
]
SHORT = ["--set", "epochs=1", "--set", "steps_per_epoch=2"]
COMMAND = "import sys; from bench.cli.main import main; sys.exit(main())"  # as the installed script


def typed(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, typed in a folder."""
    path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path} | variables
    return subprocess.run(
        [sys.executable, "-P", "-c", COMMAND, *RUN, *SHORT],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_files_that_are_called_like_modules_are_not_imported(tmp_path: Path) -> None:
    for name in ("queue", "random", "lightning", "selectors"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('my own script')")
    done = typed(tmp_path)
    assert (done.returncode, "my own script" in done.stderr) == (0, False), done.stderr
    assert len(Store(tmp_path / "store").read().records) == 1


def test_a_long_tmpdir_will_do(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    done = typed(tmp_path, TMPDIR=str(long))
    assert done.returncode == 0, done.stderr
    assert list(long.iterdir()) == []


def test_a_tmpdir_that_no_socket_fits_in_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SHORT_FOLDERS", ())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 100)))
    with pytest.raises(
        OSError, match=r"^\$TMPDIR should have at most 60 characters, since sockets lie in it\. Found 1"
    ):
        local._shorten_addresses()


SCHEDULERS = {
    "lsf": {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "ranks", "JSM_NAMESPACE_SIZE": "1", "JSM_NAMESPACE_LOCAL_RANK": "0"},
    "slurm": {
        "SLURM_NTASKS": "4",
        "SLURM_JOB_NAME": "x",
        "SLURM_JOB_ID": "1",
        "SLURM_PROCID": "3",
        "SLURM_LOCALID": "3",
    },
    "torchrun": {"TORCHELASTIC_RUN_ID": "1", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0"},
    "kubeflow": {"KUBERNETES_PORT": "1", "MASTER_ADDR": "x", "MASTER_PORT": "1", "WORLD_SIZE": "2", "RANK": "1"},
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_variables_of_a_scheduler_change_nothing(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [spec, *_] = tiny(seeds=1)
    alone = fit(spec)
    (tmp_path / "ranks").write_text("another-host\n")
    monkeypatch.chdir(tmp_path)
    for name, value in SCHEDULERS[scheduler].items():
        monkeypatch.setenv(name, value)
    inside = fit(spec)
    assert (inside.status, inside.error) == ("done", None)
    assert (inside.scores, inside.curves) == (alone.scores, alone.curves)
