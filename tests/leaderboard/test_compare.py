"""The tolerance of a reproduced mean, against scipy's two-sample t test."""

import numpy as np
import pytest
from scipy import stats

from leaderboard.board import Board
from leaderboard.compare import compare, tolerance
from leaderboard.statistics import interval
from leaderboard.table import Row, Table


def row(sample: np.ndarray, method: str = "hard") -> Row:
    found = interval(sample)
    low, high = (found.low, found.high) if found.low is not None else (None, None)
    return Row(
        "t", "s", method, "left", "accuracy", True, float(sample.mean()), low, high, len(sample), "val", "complete"
    )


def table(*rows: Row) -> Table:
    board = Board(name="t", title="T", version=1, suite="s", methods=[r.method for r in rows], seeds="0-4")
    return Table(board, "val", list(rows), [], [])


@pytest.mark.parametrize("sizes", [(5, 5), (5, 10), (2, 7)])
def test_tolerance_is_where_the_t_test_reaches_five_percent(sizes):
    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=n) for n in sizes)
    shifted = b - b.mean() + a.mean() + tolerance(row(a), row(b), compared=1)
    assert stats.ttest_ind(a, shifted).pvalue == pytest.approx(0.05, rel=1e-6)


def test_a_mean_outside_is_named_and_one_inside_is_not():
    generator = np.random.default_rng(1)
    sample = generator.normal(90, 0.1, size=5)
    near, far = row(sample + 0.05), row(sample + 3, method="soft")
    differences = compare([table(near, far)], [table(row(sample), row(sample, method="soft"))])
    assert (differences.compared, differences.outside) == (2, 1)
    assert differences.sentences[0].startswith("soft, left accuracy: ")


def test_missing_cells_are_not_compared():
    assert compare([table(row(np.ones(5)))], [table()]).compared == 0
