"""Runs that equal others beyond chance are named, and no honest ones are."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.records import Curves, ResultRecord
from bench.scores import KINDS
from leaderboard.intake.submission import find_resembling, read_submission
from leaderboard.report.formats import write_notes
from leaderboard.report.table import tabulate
from leaderboard.store import StoreContents
from leaderboard.store.committed import read_committed_suite
from leaderboard.trust.copies import NEAR, count_same_models, extract_trace, find_copies, find_repeated_seeds
from tests.leaderboard.conftest import build_record
from tests.leaderboard.intake import toy


@cache
def multidigits() -> list[ResultRecord]:
    """The committed runs under protocol 1, which has one run of a method and a seed."""
    return [record for record in read_committed_suite("multidigits") if record.spec.protocol.version == 1]


def plain(method: str) -> list[ResultRecord]:
    """The board's runs of a method, by seed."""
    own = [r for r in multidigits() if r.method == method and not r.spec.overrides and not r.spec.tuning]
    return sorted(own, key=lambda record: record.spec.seed)


def changed(run: ResultRecord, method: str, seed: int, noise: float) -> ResultRecord:
    """The run under another name and seed, each loss off by `noise` of itself, normally distributed; costs altered."""
    generator = np.random.default_rng(seed)
    loss = {
        task: [value * (1 + noise * float(generator.normal())) for value in path if value is not None]
        for task, path in run.curves.train_loss.items()
    }
    assert run.cost
    return toy.resealed(
        run,
        method=method,
        spec={"method": f"{method}@uniform", "seed": seed},
        curves=Curves(train_loss=loss, val=run.curves.val),
        cost=run.cost.model_copy(update={"train_seconds": run.cost.train_seconds + 0.001}),
    )


def test_no_two_committed_runs_of_different_seeds_are_alike(
    committed_contents: StoreContents, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = committed_contents.records
    assert find_repeated_seeds(records) == {}
    monkeypatch.setattr("leaderboard.trust.copies.NEAR", 8 * NEAR)
    assert find_repeated_seeds(records) == {}


def flattened(run: ResultRecord, *tasks: str) -> ResultRecord:
    """The run as if these tasks had stayed at chance: all losses near log 10, whatever the seed."""
    loss = {
        task: [2.3026 + value * 1e-3 for value in path if value is not None] if task in tasks else path
        for task, path in run.curves.train_loss.items()
    }
    return toy.resealed(run, curves=Curves(train_loss=loss, val=run.curves.val))


def test_runs_that_got_stuck_at_chance_are_not_copies() -> None:
    """At too high a rate a network says the same of every row from some epoch on, whatever the seed."""
    stuck, other = (
        build_record("hard", seed, {"a": 60.0}, curves=Curves(train_loss={"a": [first, *[0.273438] * 9]}))
        for seed, first in ((0, 0.31), (1, 0.32))
    )
    assert not list(find_copies([stuck, other]))
    learnt, copied = (
        build_record(
            "hard", seed, {"a": 60.0}, curves=Curves(train_loss={"a": [0.3 / (1 + epoch) for epoch in range(10)]})
        )
        for seed in (0, 1)
    )
    assert len(list(find_copies([learnt, copied]))) == 1


def test_runs_at_chance_are_not_copies_and_a_task_that_learnt_still_tells() -> None:
    runs = plain("cross_stitch")[:3]
    assert find_repeated_seeds([flattened(run, "left", "right") for run in runs]) == {}
    assert find_repeated_seeds([flattened(run, "left") for run in runs]) == {}
    repeated = [changed(flattened(runs[0], "left"), "mine", seed, 1e-6) for seed in range(3)]
    assert len(find_repeated_seeds(repeated)) == 2


def test_models_that_are_the_same_are_told_apart_from_those_that_are_not() -> None:
    assert count_same_models(plain("single_task"), multidigits()) == {("single_task", "soft+l2:halflife=inf"): 5}
    assert count_same_models(plain("cross_stitch"), multidigits()) == {}
    assert find_resembling(plain("hard@static"), plain("hard")) == [
        "`hard@static` comes out as `hard` at 5 of 5 seeds: the same model, or a copy of it"
    ]


@pytest.mark.parametrize("noise", [0.0, 1e-6, 2e-4])
def test_one_seed_as_ten_and_rotated_seeds_are_named(noise: float) -> None:
    run = plain("cross_stitch")[0]
    repeated = [changed(run, "mine", seed, noise) for seed in range(10)]
    assert len(find_repeated_seeds(repeated)) == 9
    rotated = [changed(r, "mine", (r.spec.seed + 1) % 10, noise) for r in plain("cross_stitch")]
    assert len(find_repeated_seeds(rotated, multidigits())) == 10
    copied = [changed(r, "mine", r.spec.seed, noise) for r in plain("cross_stitch")]
    assert find_repeated_seeds(copied, multidigits()) == {}
    assert count_same_models(copied, multidigits()) == {("mine", "cross_stitch"): 10}


def test_of_a_solver_every_number_counts() -> None:
    known = read_committed_suite("linear_synthetic")
    run = next(r for r in known if r.method == "soft+trace_norm")
    assert len(extract_trace(run)) > 2
    assert run.solution
    copied = toy.resealed(run, spec={"seed": 99})
    assert list(find_copies([copied], [run])) == [(copied, run)]
    moved = run.solution.model_copy(update={"objective": run.solution.objective * 1.001})
    assert list(find_copies([copied.model_copy(update={"solution": moved})], [run])) == []


def test_a_kind_names_the_statistics_by_which_its_runs_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    pooled = (r for r in read_committed_suite("linear_synthetic") if len(next(iter(r.statistics.values()), ())) == 1)
    run = next(r for r in pooled if r.solution)
    [(task, state)] = next(iter(run.statistics.values())).items()
    name = run.spec.protocol.metrics[task]
    with_errors = extract_trace(run)
    assert with_errors[-1] == state["squared_error"]
    monkeypatch.setitem(KINDS.data, name, replace(KINDS[name], trace=lambda state: [state["target_squares"]]))
    assert [*with_errors[:-1], state["target_squares"]] == list(extract_trace(run))


def test_runs_without_curves_are_not_compared() -> None:
    assert find_repeated_seeds([build_record(seed=0), build_record(seed=1)]) == {}


CURVES = [Curves(train_loss={t: [3.0 - n, 2.0 - n, 1.5] for t in ("left", "right")}) for n in (0.0, 0.1)]
HARD = [toy.resealed(toy.COMMITTED[2 + seed], curves=CURVES[seed], cost=toy.COST) for seed in (0, 1)]
BOARD = [*toy.COMMITTED[:2], *HARD]


def test_a_submission_that_is_a_method_of_the_board_is_noted(tmp_path: Path) -> None:
    runs = [toy.resealed(run, curves=CURVES[run.spec.seed]) for run in toy.RUNS]
    found = read_submission(toy.write(tmp_path / "mine", runs=runs), toy.BOARDS, BOARD)
    assert found.sound
    assert found.notes == ["`mine` comes out as `hard` at 2 of 2 seeds: the same model, or a copy of it"]
    notes = write_notes(tabulate(toy.BOARD, StoreContents(BOARD), submissions=[found]))
    assert f"Submission `mine`: {found.notes[0]}." in notes


def test_rotated_seeds_of_the_board_are_refused(tmp_path: Path) -> None:
    runs = [toy.resealed(run, curves=CURVES[1 - run.spec.seed]) for run in toy.RUNS]
    found = toy.problems(toy.write(tmp_path / "mine", runs=runs))
    assert found == {}  # the board's runs have no curves there
    found = {p.path: p.reasons for p in read_submission(tmp_path / "mine", toy.BOARDS, BOARD).problems}
    assert found[f"results/{runs[0].run_id}.json"] == ["curves: are those of `hard` seed 1; seeds differ by more"]


def test_another_submissions_runs_and_names_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("leaderboard.boards.board.boards", lambda: toy.BOARDS)
    monkeypatch.setattr("leaderboard.store.committed.read_committed_suite", lambda suite: toy.COMMITTED)
    runs = [toy.resealed(run, curves=CURVES[run.spec.seed]) for run in toy.RUNS]
    toy.write(tmp_path / "submissions" / "mine", runs=runs)
    code = toy.CODE.replace(b'"mine"', b'"Mine"') + b"import os\n"
    versions = {"suite/toy": 1, "sharing/Mine": 1, "weighting/uniform": 1}
    copied = [toy.resealed(r, method="Mine", spec={"method": "Mine@uniform", "versions": versions}) for r in runs]
    manifest = toy.MANIFEST.model_copy(
        update={"name": "other", "methods": ["Mine"], "method_sha256": toy.checksum_bytes(code)}
    )
    toy.write(tmp_path / "submissions" / "other", manifest, code, copied)
    assert main(["verify", str(tmp_path / "submissions" / "other"), "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["problems"] == [
        {"path": "submission.toml", "reasons": ["methods: `mine` is that of the submission `mine`"]}
    ]
    assert content["notes"] == [
        "method.py, line 5: the import of `os` reaches files",
        "`Mine` comes out as `mine` of the submission `mine` at 2 of 2 seeds: the same model, or a copy of it",
    ]
