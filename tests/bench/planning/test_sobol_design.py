"""Trials from a Sobol sequence: none twice, none over what has no effect, the same for every method, several seeds."""

import json
from pathlib import Path

import pytest

from bench.catalogue.method import Method
from bench.cli.main import main
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from bench.planning.sobol_design import has_trunk, list_spaces, plan_finalists, plan_sobol_trials
from bench.records import RunSpec
from leaderboard.store import Store
from tests.bench.execution.tables import TINY

SUITE = "synthetic:tasks=3"
SEEDS = [1000, 1001, 1002]


def settings_of(trials: list[list[RunSpec]]) -> list[tuple[str, str]]:
    """Of each trial what was drawn: the method and every setting of the protocol."""
    return [(trial[0].method, trial[0].protocol.model_dump_json()) for trial in trials]


@pytest.mark.parametrize("method", ["single_task", "hard", "soft+l2", "cross_stitch"])
def test_no_trial_comes_twice_and_each_has_every_seed(method: str) -> None:
    trials = plan_sobol_trials(SUITE, method, 16, SEEDS)
    assert len(set(settings_of(trials))) == len(trials) == 16
    assert all([spec.seed for spec in trial] == SEEDS for trial in trials)
    places = [spec.tuning for trial in trials for spec in trial]
    assert [place.trial for place in places if place] == [number for number in range(16) for _ in SEEDS]
    assert {(place.design, place.stage) for place in places if place} == {("sobol", "trial")}


def test_more_trials_begin_with_the_same_ones() -> None:
    assert plan_sobol_trials(SUITE, "soft+l2", 9, SEEDS)[:4] == plan_sobol_trials(SUITE, "soft+l2", 4, SEEDS)


def test_methods_share_the_points_of_one_sequence() -> None:
    """What `soft+l2` tries beside its half-lives is what `single_task` tries, which passes over what would repeat."""
    drawn = {m: plan_sobol_trials(SUITE, m, 8, [1000]) for m in ("single_task", "soft+l2")}
    shared = {m: [(t[0].protocol.lr, t[0].protocol.weight_decay) for t in trials] for m, trials in drawn.items()}
    different = list(dict.fromkeys(shared["soft+l2"]))
    assert len(different) > 4
    assert shared["single_task"][: len(different)] == different


@pytest.mark.parametrize(
    ("method", "alive"), [("single_task", False), ("soft+l2", False), ("hard", True), ("soft+l2:form=offset", True)]
)
def test_the_trunk_rate_is_drawn_only_where_there_is_a_trunk(method: str, alive: bool) -> None:
    _, suite = parse_suite(SUITE)
    assert has_trunk(Method.parse(method), suite) is alive
    assert ("trunk_lr" in list_spaces(Method.parse(method), suite)) is alive
    rates = {trial[0].protocol.trunk_lr for trial in plan_sobol_trials(SUITE, method, 8, [1000])}
    assert (len(rates) > 1) is alive


def test_an_option_that_the_user_gave_stays() -> None:
    free = plan_sobol_trials(SUITE, "soft+l2", 4, [1000])
    given = plan_sobol_trials(SUITE, "soft+l2:halflife=7", 4, [1000])
    assert len({Method.parse(trial[0].method).short for trial in free}) == 4
    assert {Method.parse(trial[0].method).short for trial in given} == {"soft+l2:halflife=7.0"}


def test_the_sequence_covers_the_rates_evenly() -> None:
    """Of 14 trials each of seven rates has one at least, which independent draws miss with probability 0.6."""
    trials = plan_sobol_trials(SUITE, "soft+l2", 14, [1000])
    assert len({trial[0].protocol.lr for trial in trials}) == 7


def test_more_trials_than_settings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"`single_task` has 28 different settings to try.*`--trials 28` at most"):
        plan_sobol_trials(SUITE, "single_task", 29, [1000])


def test_finalists_are_the_trial_on_further_seeds() -> None:
    [trial] = plan_sobol_trials(SUITE, "hard", 1, [1000])
    again = plan_finalists(trial[0], [1003, 1004])
    assert [spec.seed for spec in again] == [1003, 1004]
    assert all(spec.vary(seed=1000) == trial[0] and spec.is_trial for spec in again)


def test_tune_judges_the_best_trials_anew_and_runs_the_winner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", "tiny", "single_task", "--plugin", str(TINY)]
    words += ["--trials", "3", "--seeds", "0-1", "--trials-seeds", "1"]
    words += ["--finalists", "2", "--finalist-seeds", "1", "--store", str(tmp_path / "store"), "--json"]
    assert main([*words, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["planned"] == 3
    assert "Then 2 of the best trials on further seeds and 2 of the winners." in err
    assert not (tmp_path / "store").exists()
    assert main(words) == 0
    [search] = json.loads(capsys.readouterr().out)
    order = sorted(range(3), key=lambda number: search["objectives"][number])
    assert (search["seeds"], search["final_seeds"]) == ([1000], [1001])
    assert search["finalists"] == sorted(order[:2])
    assert search["winner"]["trial"] in search["finalists"]
    assert len(Store(tmp_path / "store").read().records) == 3 + 2 + 2
    assert main(words) == 0
    assert "2 planned: 2 were stored" in capsys.readouterr().err


def test_seeds_that_choose_do_not_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", SUITE, "hard", "--seeds", "1005", "--store", str(tmp_path / "store")]) == 2
    assert "`--seeds` should have none of the seeds that choose a winner. Found 1005." in capsys.readouterr().err
