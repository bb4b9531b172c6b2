"""Random search: common random numbers, spaces of one's own, and a test split that trials never see."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue.method import Method
from bench.cli.main import main
from bench.planning.tuning import RATES, plan_finals, plan_trials
from bench.records import parse_method
from bench.training.fit import fit
from leaderboard.store import Store
from suites.synthetic import Synthetic
from tests.bench.execution.tables import TINY

SUITE = "synthetic:tasks=3"
SHARED = ("lr", "weight_decay", "trunk_lr")


def test_trials_share_their_settings_between_methods() -> None:
    drawn = [[spec.protocol for spec in plan_trials(SUITE, method, 8)] for method in ("single_task", "hard", "soft+l2")]
    assert all(
        [getattr(p, key) for p in path] == [getattr(p, key) for p in drawn[0]] for path in drawn for key in SHARED
    )
    rates = {round(protocol.lr / 3e-3, 6) for protocol in drawn[0]}
    assert rates <= set(RATES.choices)
    assert len(rates) > 2
    assert {round(protocol.trunk_lr, 6) for protocol in drawn[0]} <= {round(1 / 3, 6), 1.0, 3.0}


def test_more_trials_begin_with_the_same_ones() -> None:
    assert plan_trials(SUITE, "soft+l2", 8)[:3] == plan_trials(SUITE, "soft+l2", 3)


def test_an_option_of_its_own_is_drawn_log_uniformly() -> None:
    halflives = []
    for spec in plan_trials(SUITE, "soft+l2", 200):
        constraint = parse_method(spec.method).constraint
        assert constraint is not None
        halflives.append(float(constraint.options["halflife"]))
    assert min(halflives) >= 1
    assert max(halflives) <= 1e4
    logs = sorted(math.log(halflife) / math.log(1e4) for halflife in halflives)
    assert max(abs(u - (i + 0.5) / 200) for i, u in enumerate(logs)) < 1.63 / math.sqrt(200)  # Kolmogorov, 1 %


def test_what_the_user_gave_instead_is_not_drawn() -> None:
    methods = {Method.parse(spec.method).short for spec in plan_trials(SUITE, "soft+l2:strength=0.5", 3)}
    assert methods == {"soft+l2:strength=0.5"}


def test_the_place_in_a_search_is_part_of_the_run() -> None:
    [trial] = plan_trials(SUITE, "hard", 1)
    assert trial.run_id not in {spec.run_id for spec in plan_finals(trial, [trial.seed, 0])}
    assert [spec.protocol for spec in plan_finals(trial, [0])] == [trial.protocol]


def test_a_trial_never_reads_the_test_split(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Synthetic.dataset

    def guarded(self: Synthetic, split: Any, seed: int) -> Any:
        if split == "test":
            raise AssertionError("the test split was read")
        return whole(self, split, seed)

    monkeypatch.setattr(Synthetic, "dataset", guarded)
    [trial] = plan_trials(SUITE, "hard", 1)  # in whose planning nothing looks at it either
    quick = trial.vary(protocol=trial.protocol.model_copy(update={"epochs": 2, "steps_per_epoch": 3}))
    record = fit(quick)
    assert record.status == "done", record.error
    assert record.find_problems() == []
    assert record.statistics == record.scores == {}
    assert sorted(record.validation) == sorted(record.tasks)
    assert fit(plan_finals(quick, [0])[0]).status == "failed"  # which reads it, and only then


def test_tune_runs_trials_then_the_winner_and_fills_the_tuned_track(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", "tiny", "single_task", "hard", "--trials", "2", "--seeds", "0-1"]
    words += ["--design", "random", "--plugin", str(TINY)]
    assert main([*words, "--store", str(tmp_path), "--json"]) == 0
    searches = json.loads(capsys.readouterr().out)
    assert [search["method"] for search in searches] == ["single_task", "hard"]
    for search in searches:
        assert search["winner"]["trial"] == search["objectives"].index(min(search["objectives"]))
    records = Store(tmp_path).read().records
    assert sorted(record.spec.tuning.stage for record in records if record.spec.tuning) == ["final"] * 4 + ["trial"] * 4
    assert main([*words, "--store", str(tmp_path)]) == 0  # nothing left to run
    assert "4 planned: 4 were stored" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_a_count_of_trials_is_positive(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", SUITE, "hard", "--trials", count]) == 2
    assert "at least 1" in capsys.readouterr().err or count == "x"
