"""Versions of a protocol: which runs an earlier one plans, and what the commands say of one that there is not."""

import json
import re
import shutil
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.planning.curve import plan_curve
from bench.planning.plan import parse_suite, plan
from bench.planning.sobol_design import plan_sobol_trials
from bench.planning.tuning import plan_trials
from bench.records.values import SettingGrid
from leaderboard.boards.board import load_board
from leaderboard.store.committed import COMMITTED, read_committed_suite

METHODS = ["single_task", "hard", "cross_stitch", "soft+l2"]


def test_an_earlier_version_gives_the_runs_that_were_made_under_it() -> None:
    stored = {record.run_id: record.spec for record in read_committed_suite("multidigits")}
    first = plan("multidigits", METHODS, range(10), device="cpu", version=1)
    assert {spec.run_id: spec for spec in first}.items() <= stored.items()
    assert {spec.protocol.version for spec in first} == {1}
    now = plan("multidigits", METHODS, range(10), device="cpu")
    assert plan("multidigits", METHODS, range(10), device="cpu", version=2) == now
    protocols = [spec.protocol for spec in now]
    assert {(each.version, each.lr, each.coordinates) for each in protocols} == {(2, 0.005, "mean")}


def test_trials_and_curves_are_planned_under_it_too() -> None:
    trials = plan_trials("multidigits", "hard", 2, "cpu", version=1)
    assert {spec.run_id for spec in trials} <= {record.run_id for record in read_committed_suite("multidigits")}
    sobol = [spec for trial in plan_sobol_trials("multidigits", "hard", 2, [1000], "cpu", version=1) for spec in trial]
    grid = SettingGrid.parse("lr=0.001/0.005/0.01")
    curve = plan_curve("multidigits", ["hard"], grid, [1000], {}, "cpu", version=1)
    assert {spec.protocol.version for spec in (*trials, *sobol, *curve)} == {1}
    assert {spec.protocol.version for spec in plan_curve("multidigits", ["hard"], grid, [1000], {}, "cpu")} == {2}


@pytest.mark.parametrize(
    ("suite", "versions"),
    [
        ("multidigits", {1, 2}),
        ("multimnist", {1, 2}),
        ("scenes", {1, 2}),
        ("nyuv2", {1, 2}),
        ("synthetic", {1, 2}),
        ("school", {1}),
    ],
)
def test_a_suite_has_each_of_its_versions_once(suite: str, versions: set[int]) -> None:
    built = parse_suite(suite)[1]
    known = [protocol.version for protocol in (*built.earlier_protocols, built.protocol)]
    assert sorted(known) == sorted(versions)
    assert built.protocol.version == max(known)
    for version in versions:
        assert parse_suite(suite, version=version)[1].protocol.version == version


@pytest.mark.parametrize(
    "words",
    [
        ["protocol", "multidigits"],
        ["run", "multidigits", "hard", "--dry-run"],
        ["run", "multidigits", "--control", "long", "--dry-run"],
        ["curve", "multidigits", "hard", "--over", "lr=0.001/0.01/0.1", "--dry-run"],
        ["tune", "multidigits", "hard", "--dry-run"],
        ["sweep", "multidigits", "soft+l2", "--over", "halflife=1"],
    ],
)
def test_a_version_that_there_is_not_is_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--protocol", "3"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search("The protocol of `multidigits` should be of version 1 or 2. Found `3`.", line)


def test_an_earlier_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for words in (["--protocol", "1"], ["--protocol", "2"], []):
        assert main(["protocol", "multidigits", "--json", *words]) == 0
        values = json.loads(capsys.readouterr().out)
        printed.append((values["version"], values["lr"], values["coordinates"]))
    assert printed == [(1, 0.001, "copies"), (2, 0.005, "mean"), (2, 0.005, "mean")]


def test_a_board_of_an_earlier_version_plans_nothing_but_stored_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("multidigits", "_protocols"):
        shutil.copytree(COMMITTED / name, tmp_path / name)
    words = ["reproduce", "multidigits_1", "--store", str(tmp_path), "--device", "cpu", "--dry-run", "--json"]
    assert main(words) == 0
    out = json.loads(capsys.readouterr().out)
    board = load_board("multidigits_1")
    assert out["to_run"] == 0
    assert out["planned"] == out["stored"] > len(board.methods) * len(board.seed_list)
    assert out["estimate"]["train_seconds"] == 0
