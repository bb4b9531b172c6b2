"""Methods over suites: which suites they share, the order over them, and what is never filled in."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.records import ResultRecord
from leaderboard.analysis.results import Results, analyse
from leaderboard.analysis.suite_ranking import collect_suite_changes, find_shared_suites, rank_over_suites
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import select_records

SUITES = ("a", "b", "c", "d", "e", "f")


def make_changes(means: dict[str, dict[str, float]]) -> dict[str, dict[str, np.ndarray]]:
    """suite -> method -> the mean with a spread of seeds that is the same for all."""
    return {
        suite: {method: mean + np.array([-0.01, 0.0, 0.01]) for method, mean in own.items()}
        for suite, own in means.items()
    }


def test_a_block_has_all_methods_that_share_its_suites() -> None:
    changes = make_changes(
        {
            "a": {"single_task": 0.0, "hard": 0.1, "soft": 0.2},
            "b": {"single_task": 0.0, "hard": 0.1, "soft": 0.2},
            "c": {"single_task": 0.0, "hard": 0.1},
            "d": {"single_task": 0.0, "rare": 0.1},
            "e": {"hard": 0.0, "soft": 0.1},  # without the reference it counts for nobody
        }
    )
    found = find_shared_suites(changes, ["hard", "soft", "rare"], "single_task")
    assert found == [(["a", "b", "c"], ["single_task", "hard"]), (["a", "b"], ["single_task", "hard", "soft"])]
    assert find_shared_suites(changes, ["rare"], "single_task") == []
    assert find_shared_suites({}, ["hard"], "single_task") == []


def test_suites_weigh_alike_and_the_order_is_that_of_the_means() -> None:
    means = {
        suite: {"single_task": 0.0, "hard": -0.3 + place / 100, "soft": 0.3 + place / 100}
        for place, suite in enumerate(SUITES)
    }
    changes = make_changes(means)
    changes["a"] = {method: np.repeat(row, 30) for method, row in changes["a"].items()}  # more seeds, no more weight
    block = rank_over_suites(changes, SUITES, ["single_task", "hard", "soft"], "single_task")
    assert [each.method for each in block.methods] == ["soft", "single_task", "hard"]
    assert [each.verdict for each in block.methods] == ["better", None, "worse"]
    assert [each.could_be_best for each in block.methods] == [True, False, False]
    assert block.methods[0].change.mean == pytest.approx(np.mean([each["soft"] for each in means.values()]))
    assert [each.first for each in block.methods] == [1.0, 0.0, 0.0]


def test_what_differs_from_suite_to_suite_is_not_told_apart() -> None:
    means = {suite: {"single_task": 0.0, "hard": (-1) ** place * 0.3} for place, suite in enumerate(SUITES)}
    block = rank_over_suites(make_changes(means), SUITES, ["single_task", "hard"], "single_task")
    assert {each.method: each.verdict for each in block.methods} == {"hard": "undecided", "single_task": None}
    assert all(each.could_be_best for each in block.methods)
    assert block == rank_over_suites(make_changes(means), SUITES, ["single_task", "hard"], "single_task")


def test_few_suites_have_means_and_no_verdict() -> None:
    means = {suite: {"single_task": 0.0, "hard": 0.3} for suite in SUITES[:3]}
    block = rank_over_suites(make_changes(means), SUITES[:3], ["single_task", "hard"], "single_task")
    assert [(each.verdict, each.could_be_best, each.change.low) for each in block.methods] == [(None, None, None)] * 2


def test_changes_are_those_of_ranked_methods(make_record: Callable[..., ResultRecord]) -> None:
    errors = {"single_task": [10.0, 12.0, 11.0], "hard": [8.0, 9.0, 9.5], "late": [9.0, 9.0]}
    records = [
        make_record(method, seed, {"left": 100 - error})
        for method, row in errors.items()
        for seed, error in enumerate(row)
    ]
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=list(errors), seeds="0-2")
    results: Results = analyse(select_records(board, records))
    found = collect_suite_changes(results)
    assert list(found) == ["single_task", "hard"]  # one that lacks a seed has no place
    expected = np.log(np.array(errors["single_task"]) / np.array(errors["hard"]))
    np.testing.assert_allclose(found["hard"], expected, atol=1e-9)
