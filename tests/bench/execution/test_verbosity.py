"""What commands that run cells say beside their result: nothing, the usual, or each score."""

import re
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.execution.plan_status import PlanStatus, report
from bench.execution.verbosity import Verbosity, describe_result
from tests.leaderboard.conftest import build_record


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Of a run that takes moments."""
    quick = ["--set", "epochs=1", "--set", "steps_per_epoch=4", "--device", "cpu", "--jobs", "1"]
    return ["--store", str(tmp_path / "runs"), *quick]


def test_quiet_is_the_table_alone_and_verbose_has_the_scores_of_each_cell(
    words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "synthetic:tasks=2", "single_task", *words, "--quiet"]) == 0
    quiet = capfd.readouterr()
    assert quiet.err == ""
    assert quiet.out.startswith("synthetic:tasks=2 with epochs=1 steps_per_epoch=4\n")
    assert main(["run", "synthetic:tasks=2", "single_task", "hard", *words, "-v"]) == 0
    loud = capfd.readouterr()
    assert f"1 cell, 1 at a time; records go to `{tmp_path / 'runs'}`." in loud.err
    told = re.search(
        r"^  hard seed 0: task00 rmse [\d.]+, task01 rmse [\d.]+, [\d.]+ s of training; (.*)$", loud.err, re.M
    )
    assert told
    assert Path(told[1]).is_file()
    assert re.search(r"^   \d  hard", loud.out, re.M)


def test_one_of_both_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "synthetic", "soft+l2", "--over", "halflife=1/2", *words, "-q", "-v"]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_failures_are_told_quietly_too(capsys: pytest.CaptureFixture[str]) -> None:
    spec = build_record("hard").spec
    outcome = PlanStatus([spec], {spec.run_id: "failed"}, {spec.run_id: "the loss was not finite"})
    report(outcome, Verbosity.QUIET)
    assert capsys.readouterr().err == "failed: hard@uniform seed 0: the loss was not finite\n"
    report(outcome)
    assert capsys.readouterr().err.endswith("1 planned: 0 were stored, 0 done, 1 failed, 0 to run.\n")


def test_a_result_in_a_line() -> None:
    record = build_record(values={"left": 95.0, "right": 1.5}, kinds={"left": "classification", "right": "regression"})
    assert describe_result(record) == "left accuracy 95 %, right rmse 1.5"
    trial = build_record(failed=True).model_copy(update={"validation": {"left": 0.25}})
    assert describe_result(trial) == "left validation error 0.25"
