"""`mb.run`: the plan and the records of the command, without one."""

import subprocess
import sys
from pathlib import Path

import pytest

import mtlbench as mb
from bench.cli.main import main
from bench.errors import UsageError
from bench.planning.plan import plan
from leaderboard.store import Store
from tests.pages import ROOT

SUITE = "synthetic:tasks=2"
SCRIPT = """
import mtlbench as mb

runs = mb.run("synthetic:tasks=2", "hard", store="runs", epochs=1)
print(runs)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MTLBENCH_STORE", raising=False)
    return tmp_path


def test_runs_are_those_of_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever either has stored, the other one does not run again."""
    words = ["run", SUITE, "single_task", "hard", "--set", "epochs=1", "--set", "betas=0.9/0.99"]
    assert main([*words, "--seeds", "0", "--store", "runs"]) == 0
    runs = mb.run(SUITE, ["single_task", "hard"], range(2), "runs", epochs=1, betas=(0.9, 0.99), jobs=2)
    specs = plan(SUITE, ["single_task", "hard"], [0, 1], {"epochs": "1", "betas": "0.9/0.99"})
    assert runs.run_ids == [spec.run_id for spec in specs]
    assert repr(runs) == f"<4 runs of `{SUITE}` in `runs`: 2 stored, 2 done>"
    assert len(runs) == 4
    assert runs.failed == {}
    assert [record.run_id for record in runs.records] == runs.run_ids
    assert {record.run_id for record in Store(folder / "runs").read().records} == set(runs.run_ids)
    frame = runs.frame()
    assert frame.run_id.nunique() == 4
    assert frame[frame.method == "hard"].gain.notna().all()
    table = runs.table()
    assert table.frame().query("metric == 'delta_log'").method.tolist() == ["single_task", "hard"]
    assert "<table>" in runs._repr_html_()
    assert mb.run(SUITE, "hard", "0-1", "runs", epochs=1, betas=[0.9, 0.99]).status.count("stored") == 2


def test_a_script_needs_no_guard(folder: Path) -> None:
    """From a file and from standard input, whose program workers cannot find."""
    (folder / "script.py").write_text(SCRIPT)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    for words, given, state in ((["script.py"], "", "done"), (["-"], SCRIPT, "stored")):
        done = subprocess.run(
            [sys.executable, *words],
            input=given,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"<1 runs of `{SUITE}` in `runs`: 1 {state}>\n", done.stderr


def test_wrong_arguments_are_refused_before_anything_runs(folder: Path) -> None:
    with pytest.raises(UsageError, match="`methods` should name one method or more"):
        mb.run(SUITE, [])
    with pytest.raises(UsageError, match="`controls` should be given without settings"):
        mb.run(SUITE, "hard", controls=["long"], epochs=1)
    with pytest.raises(UsageError, match="epoch"):
        mb.run(SUITE, "hard", epoch=1)
    with pytest.raises(UsageError, match="no sharing `hrad`"):
        mb.run(SUITE, "hrad")
    with pytest.raises(UsageError, match="Seeds should read like"):
        mb.run(SUITE, "hard", seeds=[-1])
    with pytest.raises(UsageError, match=r"`device` should be `auto`, `cpu` or `cuda`. Found `gpu`"):
        mb.run(SUITE, "hard", device="gpu")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"`jobs` should be a whole number of at least 1. Found 0"):
        mb.run(SUITE, "hard", jobs=0)
    with pytest.raises(UsageError, match=r"`methods` should be a text. Found an int"):
        mb.run(SUITE, ["hard", 3])  # type: ignore[list-item]
    with pytest.raises(UsageError, match=r"should be a Python file. Found nothing at `x.py`"):
        mb.run(SUITE, "hard", plugins="x.py")
    with pytest.raises(UsageError, match="no control `lnog`"):
        mb.run(SUITE, "hard", controls="lnog")
    assert list(folder.iterdir()) == []


def test_parts_of_the_program_itself_are_refused(folder: Path) -> None:
    """Workers do not import it, and would find no such method after minutes."""
    program = SCRIPT.replace('"hard"', '"mine"').replace(
        "\n\n",
        "\nfrom bench.api import register\nfrom bench.sharing.hard import Hard\n\n"
        "@register('mine')\nclass Mine(Hard):\n    pass\n\n",
        1,
    )
    (folder / "script.py").write_text(program)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "`mine` should be registered by a file of its own" in done.stderr
