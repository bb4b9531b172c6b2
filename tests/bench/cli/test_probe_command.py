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


def test_what_cannot_be_probed_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, "hard")
    assert main(["probe", "fffff", "--store", str(tmp_path)]) != 0
    assert capsys.readouterr().err.count("\n") == 1
