"""Related(main, extra, algorithm): exact values of runs whose errors are known."""

import math

import numpy as np
import pytest

from leaderboard.analysis.relatedness import estimate_relatedness
from leaderboard.site.figures import plot_relatedness

KINDS = {"a": "regression", "b": "regression", "c": "regression"}


def run(make_record, method, seed, errors, *shuffled):
    changed = {"shuffled": shuffled} if shuffled else {}
    overrides = {"shuffled": list(shuffled)} if shuffled else {}
    return make_record(method, seed, errors, KINDS, changed=changed, overrides=overrides)


def test_a_cell_is_the_mean_log_ratio_over_paired_seeds(make_record):
    records = [run(make_record, "hard", seed, {"a": 1.0, "b": 2.0, "c": 4.0}) for seed in range(3)]
    for seed, factor in enumerate((1.1, 1.2, 1.3)):
        records.append(run(make_record, "hard", seed, {"a": factor, "b": 2.0, "c": 9.0}, "c"))
    records.append(run(make_record, "hard", 7, {"a": 5.0, "b": 5.0, "c": 5.0}, "c"))  # pairs with nothing
    (found,) = estimate_relatedness(records)
    assert (found.method, found.seeds) == ("hard", 3)
    expected = np.mean(np.log([1.1, 1.2, 1.3]))
    assert found.cells["a", "c"].mean == pytest.approx(expected)
    assert found.cells["b", "c"].mean == 0
    assert set(found.cells) == {("a", "c"), ("b", "c")}
    matrix = found.matrix()
    assert matrix[0, 2] == pytest.approx(expected)
    assert np.isnan(matrix[[0, 1, 2, 2, 2], [0, 0, 2, 1, 0]]).all()


def test_all_extra_tasks_at_once_and_other_settings_are_no_pair(make_record):
    plain = run(make_record, "hard", 0, {"a": 1.0, "b": 2.0, "c": 4.0})
    both = run(make_record, "hard", 0, {"a": math.e, "b": 2.0, "c": 4.0}, "b", "c")
    other = make_record(
        "hard",
        0,
        {"a": 9.0, "b": 2.0, "c": 4.0},
        KINDS,
        changed={"shuffled": ("c",), "lr": 0.5},
        overrides={"shuffled": ["c"], "lr": 0.5},
    )
    (found,) = estimate_relatedness([plain, both, other])
    assert set(found.cells) == {("a", "")}
    assert found.cells["a", ""].mean == pytest.approx(1)
    assert estimate_relatedness([plain]) == []
    assert plot_relatedness([found], "related") is None


def test_pairs_of_two_protocols_are_not_mixed(make_record):
    records = []
    for version, factor in ((1, 4.0), (2, 2.0)):
        for shuffled, error in (((), 1.0), (("c",), factor)):
            changed, overrides = ({"shuffled": shuffled}, {"shuffled": [*shuffled]}) if shuffled else ({}, {})
            values = {"a": error, "b": 1.0, "c": 1.0}
            records += [
                make_record("hard", seed, values, KINDS, version=version, changed=changed, overrides=overrides)
                for seed in range(4 - version)  # the older version has more seeds
            ]
    for order in (records, records[::-1]):
        (found,) = estimate_relatedness(order)
        assert (found.seeds, found.cells["a", "c"].mean) == (2, pytest.approx(math.log(2)))
    assert estimate_relatedness(records[:6])[0].cells["a", "c"].mean == pytest.approx(math.log(4))


def test_algorithms_stand_side_by_side(make_record):
    records = []
    for method, factor in (("hard", 1.5), ("cross_stitch", 0.8)):
        for seed in range(3):
            records.append(run(make_record, method, seed, {"a": 1.0, "b": 1.0, "c": 1.0}))
            records.append(run(make_record, method, seed, {"a": factor, "b": 1.0, "c": 1.0}, "b"))
    figure = plot_relatedness(estimate_relatedness(records), "related")
    assert figure.panels.titles == ["hard", "cross_stitch"]
    assert figure.traces[0]["text"] == [["", "+0.41*", ""], ["", "", ""], ["", "+0.00", ""]]
    assert [trace["z"][0, 1] for trace in figure.traces] == pytest.approx([math.log(1.5), math.log(0.8)])
