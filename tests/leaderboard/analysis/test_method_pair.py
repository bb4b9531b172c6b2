"""Two methods against each other: the numbers and the families of the board's own tests."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.errors import UsageError
from bench.records import ResultRecord
from leaderboard.analysis.method_pair import compare_two
from leaderboard.analysis.results import Results, analyse
from leaderboard.analysis.statistics import holm, paired_t
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import select_records

Make = Callable[..., ResultRecord]
# Errors in per cent on one task, [method, seed].
ERRORS = {
    "single_task": [10.0, 12.0, 11.0, 9.0, 10.5],
    "hard": [8.0, 9.0, 9.5, 7.0, 8.5],
    "soft": [8.2, 9.6, 9.1, 7.7, 8.3],
    "sluice": [10.1, 11.8, 11.2, 9.1, 10.2],
}


@pytest.fixture
def results(make_record: Make) -> Results:
    """A board of four methods and five seeds, with the twin of nobody."""
    records = [
        make_record(method, seed, {"left": 100 - error})
        for method, row in ERRORS.items()
        for seed, error in enumerate(row)
    ]
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=list(ERRORS), seeds="0-4")
    return analyse(select_records(board, records))


def differences(method: str, other: str) -> list[float]:
    return [math.log(theirs / own) for own, theirs in zip(ERRORS[method], ERRORS[other], strict=True)]


def test_the_estimate_is_the_mean_log_ratio_of_errors(results: Results) -> None:
    pair = compare_two(results, "hard", "soft")
    expected = differences("hard", "soft")
    assert pair.differences == pytest.approx(expected, abs=1e-12)
    assert pair.estimate.mean == pytest.approx(np.mean(expected))
    assert pair.percent == pytest.approx(100 * (1 - math.exp(-np.mean(expected))))
    assert pair.p == pytest.approx(paired_t(expected))
    assert pair.seeds == (0, 1, 2, 3, 4)
    assert pair.tasks["left"].mean == pytest.approx(np.mean(expected))


def test_against_the_reference_it_is_the_planned_contrast(results: Results) -> None:
    pair = compare_two(results, "hard", "single_task")
    assert pair.contrast is results.standings.methods["hard"].contrasts["reference"]
    assert (pair.kind, pair.contrast.family, pair.verdict) == ("reference", 3, "better")
    adjusted = holm([paired_t(differences(method, "single_task")) for method in ("hard", "soft", "sluice")])
    assert pair.contrast.different == pytest.approx(adjusted[0], rel=1e-9)


def test_the_other_way_round_it_is_the_mirror(results: Results) -> None:
    one, other = compare_two(results, "hard", "single_task"), compare_two(results, "single_task", "hard")
    assert other.contrast is one.contrast
    assert (one.verdict, other.verdict) == ("better", "worse")
    assert other.estimate.mean == -one.estimate.mean
    assert (other.estimate.low, other.estimate.high) == (-(one.estimate.high or 0), -(one.estimate.low or 0))
    assert other.differences == pytest.approx([-each for each in one.differences])
    assert other.p == pytest.approx(one.p)


def test_a_pair_that_nobody_planned_is_adjusted_over_all_pairs(results: Results) -> None:
    pair = compare_two(results, "sluice", "soft")
    names = list(ERRORS)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    adjusted = dict(zip(pairs, holm([paired_t(differences(*each)) for each in pairs]), strict=True))
    assert (pair.kind, pair.contrast.family) == (None, 6)
    assert pair.contrast.different == pytest.approx(adjusted["soft", "sluice"], rel=1e-9)
    assert pair.estimate.mean == pytest.approx(np.mean(differences("sluice", "soft")))
    assert pair.verdict == "worse"


def test_seeds_without_the_reference_count(make_record: Make) -> None:
    records = [make_record(method, seed, {"left": 90.0 + seed}) for method in ("hard", "soft") for seed in range(3)]
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard", "soft"], seeds="0-4")
    pair = compare_two(analyse(select_records(board, records)), "hard", "soft")
    assert pair.seeds == (0, 1, 2)
    assert pair.differences == (0.0, 0.0, 0.0)


def test_wrong_pairs_are_refused(results: Results, make_record: Make) -> None:
    with pytest.raises(UsageError, match=r"`a` should be a method of the board. Found `hrad`; the nearest: `hard`"):
        compare_two(results, "hrad", "soft")
    with pytest.raises(UsageError, match=r"`b` should be a method of the board. Found `x`"):
        compare_two(results, "hard", "x")
    with pytest.raises(UsageError, match=r"two methods. Found `hard` twice"):
        compare_two(results, "hard", "hard")
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=["hard", "soft"], seeds="0-1")
    apart = [make_record("hard", 0), make_record("soft", 1)]
    with pytest.raises(UsageError, match=r"a seed in common on `toy`. Found none"):
        compare_two(analyse(select_records(board, apart)), "hard", "soft")
