"""The worth of a method in data: single-task's curve read backwards."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from bench.records import ResultRecord
from leaderboard.analysis.data_worth import DataCurve, estimate_worth, invert_curve
from leaderboard.analysis.statistics import Interval
from leaderboard.boards.board import Board
from leaderboard.report.formats import format_table, write_ends, write_notes, write_worth
from leaderboard.report.table import tabulate
from leaderboard.store import StoreContents

Make = Callable[..., ResultRecord]
ROWS = np.array([100.0, 1000.0, 10000.0])
# error = 100 / sqrt(rows), in five seeds and one task
POWER = DataCurve(ROWS, np.tile(math.log(100) - 0.5 * np.log(ROWS)[:, None, None], (1, 5, 1)))


def gaps(wanted: float) -> np.ndarray:
    """The curve's log errors less that of 100 / sqrt(wanted)."""
    return POWER.errors[:, :, 0] - math.log(100 / math.sqrt(wanted))


@pytest.mark.parametrize("wanted", [100, 170, 1000, 3000, 10000])
def test_a_power_law_is_read_backwards_exactly(wanted: float) -> None:
    assert math.exp(invert_curve(np.log(ROWS), gaps(wanted)).mean) == pytest.approx(wanted)


def test_beyond_what_was_run_nothing_is_claimed() -> None:
    assert invert_curve(np.log(ROWS), gaps(99)) == Interval(-math.inf, -math.inf, -math.inf, 5)
    assert invert_curve(np.log(ROWS), gaps(10001)) == Interval(math.inf, math.inf, math.inf, 5)


def test_a_curve_that_rises_is_flat_there(make_cells) -> None:
    """More data are not worth less; without a gain the worth is exactly 1, also where the curve rises."""
    known = DataCurve(np.array([10.0, 100.0, 1000.0]), np.tile(np.array([0.0, -1.0, -0.5])[:, None, None], (1, 3, 1)))
    errors = np.exp(np.array([-0.5, -0.5, 0.0]))[:, None, None] * np.ones((3, 3, 1))
    found = estimate_worth(make_cells(errors, ["single_task", "same", "worse"]), 1000, known)
    assert found["same"].estimate.mean == 1
    # Half a log error more: on the curve halfway between 10 and 100 rows.
    assert found["worse"].estimate.mean == pytest.approx(math.sqrt(1000) / 1000)


def test_on_a_straight_curve_the_interval_is_that_of_fieller(make_cells) -> None:
    """Between two sizes log rows are a ratio of two means, of what a method gains over what the larger size does.

    The closed form of Fieller (1954) for paired samples, from their means, variances and covariance.
    """
    generator = np.random.default_rng(0)
    small = 0.02 * generator.standard_normal(8)
    large, own = small - 1 + 0.1 * generator.standard_normal(8), small - 0.3 + 0.05 * generator.standard_normal(8)
    known = DataCurve(np.array([100.0, 1000.0]), np.stack([small, large])[:, :, None])
    data = make_cells(np.exp(np.stack([small, own]))[:, :, None], ["single_task", "good"])
    found = estimate_worth(data, 100, known)["good"].estimate
    gain, step = small - own, small - large
    t = stats.t.ppf(0.975, 7)
    (var_gain, both), (_, var_step) = np.cov(gain, step) / 8
    g = t**2 * var_step / step.mean() ** 2
    ratio = gain.mean() / step.mean()
    root = math.sqrt(var_gain - 2 * ratio * both + ratio**2 * var_step - g * (var_gain - both**2 / var_step))
    ends = [(ratio - g * both / var_step + sign * t / step.mean() * root) / (1 - g) for sign in (-1, 1)]
    assert [found.low, found.high] == pytest.approx([10**end for end in ends])
    assert found.mean == pytest.approx(10**ratio)


def test_the_interval_covers_although_the_curve_is_estimated() -> None:
    """Of 2,000 boards of five seeds, 95 % have the true rows inside; two standard errors are 1 %."""
    generator = np.random.default_rng(0)
    truth = np.log(400)
    places, hits = np.log(ROWS), 0
    for _ in range(2000):
        curve = -0.5 * places[:, None] + 0.1 * generator.standard_normal((3, 5))
        own = -0.5 * truth + 0.1 * generator.standard_normal(5)
        found = invert_curve(places, curve - own)
        hits += found.low <= truth <= found.high
    assert 0.94 <= hits / 2000 <= 0.965


def test_overlapping_splits_widen_the_interval(make_cells) -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal((3, 5))
    plain, wide = (invert_curve(np.log(ROWS), gaps(1000) + noise, overlap) for overlap in (0, 1 / 3))
    assert wide.low < plain.low < plain.high < wide.high


def test_each_task_has_a_worth_of_its_own_and_disagreement_is_seen(make_cells) -> None:
    """A tenth less error in one task and a tenth more in the other: worth 1.23 and 0.83 times the rows, 1.01 in all."""
    noise = 1e-3 * np.random.default_rng(0).standard_normal((3, 5, 2))
    known = DataCurve(ROWS, np.repeat(POWER.errors, 2, axis=2))
    errors = np.array([[1, 1], [0.9, 1.1], [0.9, 0.9]])[:, None, :] * np.exp(noise)
    data = make_cells(errors * 100 / math.sqrt(1000), ["single_task", "mixed", "good"])
    found = estimate_worth(data, 1000, known)
    alone = [found["mixed"].tasks[task].estimate.mean for task in ("t0", "t1")]
    assert alone == pytest.approx([0.9**-2, 1.1**-2], rel=0.01)
    assert found["mixed"].estimate.mean == pytest.approx(1 / 0.99, rel=0.01)
    assert found["mixed"].disagrees
    assert not found["good"].disagrees
    assert found["good"].tasks["t0"].tasks == {}


def test_a_seed_that_lacks_a_run_counts_nowhere(make_cells) -> None:
    errors = np.array([1.0, 0.9])[:, None, None] * np.ones((2, 5, 1))
    errors[1, 4] = np.nan
    known = POWER.errors.copy()
    known[2, 3] = np.nan
    found = estimate_worth(make_cells(errors, ["single_task", "good"]), 1000, DataCurve(ROWS, known))
    assert found["good"].estimate.n == 3
    errors[1] = np.nan
    assert estimate_worth(make_cells(errors, ["single_task", "good"]), 1000, POWER) == {}


def test_words_say_where_the_sizes_end(make_cells) -> None:
    errors = np.array([1.0, 0.01, 50.0])[:, None, None] * np.ones((3, 5, 1))
    found = estimate_worth(make_cells(errors * 100 / math.sqrt(1000), ["single_task", "good", "bad"]), 1000, POWER)
    assert write_worth(found["good"]) == ("> 10x", "[> 10, > 10]")
    assert write_worth(found["bad"]) == ("< 0.1x", "[< 0.1, < 0.1]")
    assert found["good"].order > found["bad"].order
    assert repr(found["good"].bounds) == "Interval(mean=nan, low=10.0, high=None, n=5)"
    assert repr(found["bad"].bounds) == "Interval(mean=nan, low=None, high=0.1, n=5)"


SERIES = Board(
    name="t",
    title="T",
    version=1,
    suite="small",
    methods=["single_task", "hard"],
    seeds="0-4",
    series=["small", "large"],
)


def test_tables_with_a_series_have_the_column(make_record: Make) -> None:
    """Error rates 20 % on 100 rows and 10 % on 400: a method with 14.14 % on 100 is worth twice the rows."""
    plan = [("small", 100, "single_task", 80.0), ("large", 400, "single_task", 90.0), ("small", 100, "hard", 85.86)]
    records = [
        make_record(method, seed, {"left": value}, suite=suite, changed={"splits": {"train": size, "test": 10_000}})
        for suite, size, method, value in plan
        for seed in range(5)
    ]
    table = tabulate(SERIES, StoreContents(records))
    assert "worth" in table.ends
    assert [write_ends(table, line)[table.ends.index("worth")] for line in table.lines] == ["—", "2.00x [2.00, 2.00]"]
    assert any("linear between 100, 400 rows" in note for note in write_notes(table))
    assert table.ends == ["rank", "vs single_task", "vs best", "worth", "seeds"]  # one task needs no column of its own
    plain = tabulate(SERIES.model_copy(update={"series": []}), StoreContents(records))
    assert "worth" not in plain.ends
    largest = tabulate(SERIES.model_copy(update={"suite": "large"}), StoreContents(records))
    assert largest.results.worth == {}  # nothing but the reference ran there


def test_every_format_has_the_worth_of_each_task(make_record: Make) -> None:
    """Left has as few errors as four times the rows would give, and more; right more than here: the tasks disagree."""
    plan = [("small", 100, "single_task", 80.0, 80.0), ("large", 400, "single_task", 90.0, 90.0)]
    plan += [("small", 100, "hard", 95.0, 70.0)]
    records = [
        make_record(m, seed, {"left": x, "right": y}, suite=suite, changed={"splits": {"train": size, "test": 10_000}})
        for suite, size, m, x, y in plan
        for seed in range(5)
    ]
    table = tabulate(SERIES, StoreContents(records))
    assert table.worths == {"worth": "", "worth left": "left", "worth right": "right"}
    cells = dict(zip(table.ends, write_ends(table, table.lines[1]), strict=True))
    assert cells["worth left"] == "> 4x [> 4, > 4]"
    assert cells["worth right"] == "< 1x [< 1, < 1]"
    assert any("The tasks disagree on `hard`" in note for note in write_notes(table))
    for format in ("md", "tex"):
        assert "worth left" in format_table(table, format)
    *_, first, second = format_table(table, "csv").splitlines()
    assert first == "t,small,hard,left,worth,true,,4.0,,5,val,complete"
    assert second == "t,small,hard,right,worth,true,,,1.0,5,val,complete"
    [_, statistics] = json.loads(format_table(table, "json"))["statistics"]
    assert statistics["worth_tasks"] == {"left": "> 4x [> 4, > 4]", "right": "< 1x [< 1, < 1]"}
