"""Searches whose trials have several seeds: means decide, finalists are judged on other seeds, designs do not mix."""

import math
from collections.abc import Callable

import pytest

from bench.records import ResultRecord, Tuning
from leaderboard.boards.record_selection import select_records
from leaderboard.boards.tuned_track import searches_of
from tests.leaderboard.boards.test_tuned import BOARD, placed, trial

Make = Callable[..., ResultRecord]


def sobol(make: Make, number: int, seed: int, error: float | None) -> ResultRecord:
    """A run of a trial of `hard`, at a rate of its own, with the same validation error in both tasks."""
    record = trial(make, "hard", number, error, lr=0.1 * (number + 1))
    return placed(
        record.model_copy(update={"spec": record.spec.vary(seed=seed)}),
        Tuning(of="hard", trial=number, stage="trial", design="sobol"),
    )


@pytest.fixture
def searched(make_record: Make) -> list[ResultRecord]:
    """Trial 0 has the luckiest seed, 1 the best mean of two seeds, and 2 is best on the finalists' seeds."""
    errors = {0: (0.01, 0.9), 1: (0.1, 0.05), 2: (0.1, 0.08)}
    runs = [sobol(make_record, number, 1000 + at, e) for number, own in errors.items() for at, e in enumerate(own)]
    return [*runs, *(sobol(make_record, number, 1002, e) for number, e in ((1, 0.4), (2, 0.2)))]


def final(make: Make, number: int, seed: int) -> ResultRecord:
    """A run of a winner on a board's seed."""
    record = make("hard", seed, overrides={"lr": repr(0.1 * (number + 1))})
    return placed(record, Tuning(of="hard", trial=number, stage="final", design="sobol"))


def test_the_objective_of_a_trial_is_the_mean_over_the_seeds_of_all(searched: list[ResultRecord]) -> None:
    for records in (searched, searched[::-1]):
        [search] = searches_of(records, 3)
        assert search.objectives == pytest.approx([math.log(0.01 * 0.9), math.log(0.1 * 0.05), math.log(0.1 * 0.08)])
        assert (search.seeds, search.finalists, search.final_seeds) == ([1000, 1001], [1, 2], [1002])
        assert [run.spec.tuning.trial for run in search.best_trials(2) if run.spec.tuning] == [1, 2]


def winner_of(records: list[ResultRecord]) -> int | None:
    """Number of the trial that won."""
    [search] = searches_of(records, 3)
    return search.winner.spec.tuning.trial if search.winner and search.winner.spec.tuning else None


def test_finalists_are_judged_on_the_seeds_that_did_not_choose_them(searched: list[ResultRecord]) -> None:
    assert winner_of(searched) == 2
    assert winner_of(searched[:6]) == 1  # before there are finalists


def test_a_trial_with_a_failed_seed_does_not_win(make_record: Make, searched: list[ResultRecord]) -> None:
    spoilt = [run for run in searched if run.spec.seed < 1002 and (run.spec.tuning or BOARD) and run.spec.seed != 1001]
    spoilt += [sobol(make_record, number, 1001, None if number == 1 else 0.5) for number in range(3)]
    [search] = searches_of(spoilt, 3)
    assert search.objectives[1] == math.inf
    assert winner_of(spoilt) == 0


def test_the_track_shows_the_winner_and_leaves_another_design_out(
    make_record: Make, searched: list[ResultRecord]
) -> None:
    board = BOARD.model_copy(update={"methods": ["hard"]})
    random = [trial(make_record, "hard", number, 0.001) for number in range(3)]
    finals = [final(make_record, number, seed) for number in (1, 2) for seed in (0, 1)]
    chosen = select_records(board, [*random, *searched, *finals], "tuned")
    rates = {key: run.spec.overrides["lr"] for key, run in chosen.records.items()}
    assert rates == {("hard", 0): repr(0.1 * 3), ("hard", 1): repr(0.1 * 3)}
    assert chosen.notes[0] == (
        "Tuned: the best of 3 trials from a Sobol sequence on validation, 2 seeds each, the best 2 again on 1 further "
        "ones, as many for every method."
    )
    assert "3 records left out: of a search whose trials were drawn in another way." in chosen.notes
