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
    assert list(effects) == ["val", "per_task", "last"]
    assert [effects[rule].mean for rule in effects] == pytest.approx(-np.log([2, 2, 4]))


def test_details_have_them_in_a_sentence(records: list[ResultRecord]) -> None:
    text = write_details(tabulate(board_of_suite("toy", records), StoreContents(records)), "md")
    [line] = [line for line in text.splitlines() if "minus" in line]
    assert "under val / per\\_task / last: -0.693 " in line
    assert line.count("-0.693 \\[") == 2
    assert line.count("-1.386 \\[") == 1


def test_runs_without_all_rules_have_none(records: list[ResultRecord]) -> None:
    short = [r.model_copy(update={"statistics": {"val": r.statistics["val"]}}) for r in records]
    for few in (short, records[:3], records[3:]):
        table = tabulate(board_of_suite("toy", few), StoreContents(few))
        assert compare_rules(table.results) == {}
        assert "minus" not in write_details(table, "md")
