"""Every pair of a board at once: the numbers of `compare_two`, whichever way round and whatever is missing."""

from collections.abc import Callable
from itertools import permutations

import pytest

from bench.records import ResultRecord
from leaderboard.analysis.every_pair import compare_every_pair
from leaderboard.analysis.method_pair import compare_two
from leaderboard.analysis.results import analyse
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import select_records

ERRORS = {
    "single_task": [10.0, 12.0, 11.0, 9.0, 10.5],
    "hard": [8.0, 9.0, 9.5, 7.0, 8.5],
    "soft": [8.2, 9.6, 9.1, 7.7, 8.3],
    "sluice": [10.1, 11.8, 11.2, 9.1, 10.2],
    "mmoe": [4.0, 5.0, 4.5, 4.2, 4.4],
    "mmoe:muted=1": [9.0, 9.5, 9.2, 9.4, 9.1],
}


@pytest.mark.parametrize("lacks", [None, ("single_task", 3), ("hard", 0), ("sluice", 4)])
def test_it_is_what_two_methods_say_of_each_other(
    make_record: Callable[..., ResultRecord], lacks: tuple[str, int] | None
) -> None:
    records = [
        make_record(method, seed, {"left": 100 - error, "right": 100 - error / 2})
        for method, row in ERRORS.items()
        for seed, error in enumerate(row)
        if (method, seed) != lacks
    ]
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=list(ERRORS), seeds="0-4")
    results = analyse(select_records(board, records))
    found = compare_every_pair(results)
    assert set(found) == set(permutations(ERRORS, 2))
    for (method, other), answer in found.items():
        pair = compare_two(results, method, other)
        assert (answer.verdict, answer.kind, answer.seeds) == (pair.verdict, pair.kind, len(pair.seeds))
        ends = answer.change.mean, answer.change.low, answer.change.high
        assert ends == pytest.approx((pair.corrected.mean, pair.corrected.low, pair.corrected.high), abs=1e-12)
    if lacks is None:
        assert {answer.kind for answer in found.values()} == {"reference", "twin", "best", None}
    assert {answer.verdict for answer in found.values()} >= {"better", "worse", "undecided"}


def test_nothing_to_compare_is_no_pair(make_record: Callable[..., ResultRecord]) -> None:
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-4")
    assert compare_every_pair(analyse(select_records(board, [make_record("single_task", 0)]))) == {}
    apart = [make_record("single_task", 0), make_record("hard", 1)]
    assert compare_every_pair(analyse(select_records(board, apart))) == {}
