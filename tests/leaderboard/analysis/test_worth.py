"""The worth of a method in data: single-task's curve read backwards."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.records import ResultRecord
from leaderboard.analysis.data_worth import DataCurve, estimate_worth
from leaderboard.analysis.statistics import interval
from leaderboard.boards.board import Board
from leaderboard.report.formats import write_ends, write_notes, write_worth
from leaderboard.report.table import tabulate
from leaderboard.store import StoreContents

Make = Callable[..., ResultRecord]
POWER = DataCurve(np.array([100.0, 1000.0, 10000.0]), np.log(100.0) - 0.5 * np.log(np.array([100.0, 1000.0, 10000.0])))


@pytest.mark.parametrize("wanted", [100, 170, 1000, 3000, 10000])
def test_a_power_law_is_read_backwards_exactly(wanted: float) -> None:
    """error = 100 / sqrt(rows)."""
    assert POWER.rows_for(math.log(100 / math.sqrt(wanted))) == pytest.approx(wanted)


def test_beyond_what_was_run_nothing_is_claimed() -> None:
    assert POWER.rows_for(math.log(100 / math.sqrt(99))) == 0
    assert POWER.rows_for(math.log(100 / math.sqrt(10001))) == math.inf


def test_a_curve_that_rises_is_flat_there() -> None:
    known = DataCurve(np.array([10.0, 100.0, 1000.0]), np.array([0.0, -1.0, -0.5]))
    assert known.rows_for(-1.0) <= 1000
    assert known.rows_for(-0.5) == pytest.approx(math.sqrt(1000))  # halfway between 10 and 100 in log rows


def test_a_method_with_a_tenth_less_error_is_worth_more_rows(make_cells) -> None:
    """With error ~ rows^-1/2 a ratio r of errors is worth r^-2 times the rows; the interval is that of log r."""
    noise = 0.01 * np.random.default_rng(0).standard_normal((3, 6, 1))
    errors = np.array([1.0, 0.9, 1.1])[:, None, None] * np.exp(noise)
    data = make_cells(errors, ["single_task", "good", "bad"])
    found = estimate_worth(data, 1000, POWER)
    assert found.keys() == {"good", "bad"}
    for name, at in (("good", 1), ("bad", 2)):
        gain = interval((noise[0] - noise[at])[:, 0] - math.log([1.0, 0.9, 1.1][at]))
        estimate = found[name].estimate
        assert estimate.mean == pytest.approx(math.exp(2 * gain.mean))
        assert estimate.low == pytest.approx(math.exp(2 * gain.low))  # type: ignore[operator]
        assert estimate.high == pytest.approx(math.exp(2 * gain.high))  # type: ignore[operator]


def test_words_say_where_the_sizes_end(make_cells) -> None:
    data = make_cells(np.array([1.0, 0.01, 50.0])[:, None, None] * np.ones((3, 5, 1)), ["single_task", "good", "bad"])
    found = estimate_worth(data, 1000, POWER)
    assert write_worth(found["good"]) == ("> 10x", "[> 10, > 10]")
    assert write_worth(found["bad"]) == ("< 0.1x", "[< 0.1, < 0.1]")
    assert found["good"].order > found["bad"].order


def test_tables_with_a_series_have_the_column(make_record: Make) -> None:
    """Error rates 20 % on 100 rows and 10 % on 400: a method with 14.14 % on 100 is worth twice the rows."""
    plan = [("small", 100, "single_task", 80.0), ("large", 400, "single_task", 90.0), ("small", 100, "hard", 85.86)]
    records = [
        make_record(method, seed, {"left": value}, suite=suite, changed={"splits": {"train": size, "test": 10_000}})
        for suite, size, method, value in plan
        for seed in range(5)
    ]
    board = Board(
        name="t", title="T", version=1, suite="small", methods=["single_task", "hard"], seeds="0-4",
        series=["small", "large"],
    )  # fmt: skip
    table = tabulate(board, StoreContents(records))
    assert "worth" in table.ends
    assert [write_ends(table, line)[table.ends.index("worth")] for line in table.lines] == ["—", "2.00x [2.00, 2.00]"]
    assert any("linear between 100, 400 rows" in note for note in write_notes(table))
    plain = tabulate(board.model_copy(update={"series": []}), StoreContents(records))
    assert "worth" not in plain.ends
    largest = tabulate(board.model_copy(update={"suite": "large"}), StoreContents(records))
    assert largest.results.worth == {}  # nothing but the reference ran there
