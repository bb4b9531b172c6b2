"""`mtlbench probe` on models that runs kept."""

import json
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.execution.cell import StoredCell
from bench.planning.plan import plan

BUDGET = {"epochs": "1", "steps_per_epoch": "2"}


def keep(store: Path, method: str, suite: str = "synthetic:tasks=2,train=16", **settings: str) -> str:
    [spec] = plan(suite, [method], [0], BUDGET | settings)
    assert StoredCell(store, store, keep_model=True)(spec, lambda done, epochs: None) == "done"
    return spec.run_id


def test_a_kept_model_is_probed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = keep(tmp_path, "hard")
    assert main(["probe", run[:6], "--store", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "Likeness of features, stage 0" in text
    assert "Who owns which parameters" in text
    assert main(["probe", run, "--store", str(tmp_path), "--json", "--rows", "64"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["run"], found["tasks"]) == (run, ["task00", "task01"])
    assert {each["owners"] for each in found["ownership"] if "heads" in each["parameter"]} == {1.0}


def test_the_probed_runs_of_a_suite_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path)
    wanted = ["run", "mechanisms:eavesdropping", "single_task", "hard", "--seeds", "0-1", "--stack", "2"]
    wanted += ["--set", "epochs=2", "--store", store, "--jobs", "1"]
    assert main([*wanted, "--probe"]) == 0
    capsys.readouterr()
    assert main(["probe", "mechanisms:eavesdropping", "--store", store]) == 0
    text = capsys.readouterr().out
    assert "hard, epochs=2 (2 runs)" in text
    assert "When a hidden feature can be read from the network" in text
    assert main(["probe", "mechanisms:eavesdropping", "--store", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == {"single_task, epochs=2": 2, "hard, epochs=2": 2}
    assert main(["probe", "mechanisms:parity", "--store", store]) == 2
    assert "`mtlbench run mechanisms:parity METHOD --probe` makes one" in capsys.readouterr().err


def test_runs_that_were_stored_without_probes_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["run", "mechanisms:eavesdropping", "hard", "--seeds", "0", "--set", "epochs=1", "--jobs", "1"]
    wanted += ["--store", str(tmp_path)]
    assert main(wanted) == 0
    capsys.readouterr()
    assert main([*wanted, "--probe"]) == 0
    assert "Cells without probes: 1;" in capsys.readouterr().err


def test_what_cannot_be_probed_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, "hard")
    assert main(["probe", "fffff", "--store", str(tmp_path)]) != 0
    assert capsys.readouterr().err.count("\n") == 1
