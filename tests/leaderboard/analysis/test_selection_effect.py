"""One contrast under every rule that picks the epoch."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.records import ResultRecord
from leaderboard.analysis.selection_effect import compare_rules
from leaderboard.boards.board import board_of_suite
from leaderboard.report.details import write_details
from leaderboard.report.table import tabulate
from leaderboard.store import StoreContents

Make = Callable[..., ResultRecord]


@pytest.fixture
def records(make_record: Make) -> list[ResultRecord]:
    """`hard` has twice the error of `single_task` at the epoch that is chosen, and four times as much at the last."""
    kept = {"single_task": ({"left": 95.0}, {"left": 95.0}), "hard": ({"left": 90.0}, {"left": 80.0})}
    return [
        make_record(method, seed, values, last=last) for method, (values, last) in kept.items() for seed in range(3)
    ]


def test_each_rule_has_its_own_difference(records: list[ResultRecord]) -> None:
    effects = compare_rules(tabulate(board_of_suite("toy", records), StoreContents(records)).results)
    assert list(effects) == ["hard"]
    assert list(effects["hard"]) == ["val", "per_task", "last"]
    assert [each.mean for each in effects["hard"].values()] == pytest.approx(-np.log([2, 2, 4]))


def test_details_have_them_in_a_table(records: list[ResultRecord]) -> None:
    text = write_details(tabulate(board_of_suite("toy", records), StoreContents(records)), "md")
    _, below = text.split("under each selection rule")
    head, _, line = below.strip().splitlines()[:3]
    assert head == "| method | val | per\\_task | last |"
    assert [cell.split(" ")[0] for cell in line.strip("| ").split(" | ")] == ["hard", "-0.693", "-0.693", "-1.386"]


def test_runs_without_all_rules_have_none(records: list[ResultRecord]) -> None:
    short = [r.model_copy(update={"statistics": {"val": r.statistics["val"]}}) for r in records]
    for few in (short, records[:3], records[3:]):
        table = tabulate(board_of_suite("toy", few), StoreContents(few))
        assert compare_rules(table.results) == {}
        assert "selection rule" not in write_details(table, "md")


def test_a_method_that_lacks_a_rule_is_left_out_alone(records: list[ResultRecord], make_record: Make) -> None:
    solved = make_record("solved", 0, {"left": 93.0})
    more = [*records, solved.model_copy(update={"statistics": {"val": solved.statistics["val"]}})]
    assert list(compare_rules(tabulate(board_of_suite("toy", more), StoreContents(more)).results)) == ["hard"]
