"""What the figures for papers draw, read back from the axes."""

import math
from collections.abc import Callable, Iterator

import matplotlib
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes

from bench.records import ResultRecord
from leaderboard.analysis.curves import find_curves
from leaderboard.analysis.dials import find_dials
from leaderboard.analysis.results import Results, analyse
from leaderboard.boards.board import board_of_suite
from leaderboard.boards.record_selection import select_records
from leaderboard.figures.curve import draw_curves
from leaderboard.figures.dial import draw_dial
from leaderboard.figures.forest import draw_forest

VALIDATION = {"left": 0.2}
Make = Callable[..., ResultRecord]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No window, and no figure left over."""
    matplotlib.use("agg")
    yield
    pyplot.close("all")


@pytest.fixture
def results(three_methods: list[ResultRecord], make_record: Make) -> Results:
    """`hard` is worse than `single_task` in every seed, `cross_stitch` is better, `sluice` now this, now that."""
    noise = [make_record("sluice", seed, {"left": 94.0 + 2 * (seed % 2), "right": 90.0}) for seed in range(5)]
    records = [*three_methods, *noise]
    return analyse(select_records(board_of_suite("toy", records), records))


def points(axes: Axes) -> dict[str, tuple[float, float, str]]:
    """Method -> x, y and face colour of its point."""
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    return {str(line.get_label()): (*line.get_xydata()[0], str(line.get_markerfacecolor())) for line in lines}


def test_a_forest_has_the_changes_of_the_board(results: Results) -> None:
    axes = draw_forest(results)
    drawn = points(axes)
    rows = {row.method: row for row in results.rows if row.metric == "delta_log" and row.role != "reference"}
    assert {name: x for name, (x, _, _) in drawn.items()} == {name: row.mean for name, row in rows.items()}
    assert drawn["cross_stitch"][1] > drawn["hard"][1]  # the best on top
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hard", "sluice", "cross_stitch"]
    faces = {name: face for name, (_, _, face) in drawn.items()}
    assert faces == {"cross_stitch": "#0072B2", "hard": "#D55E00", "sluice": "white"}
    intervals = {tuple(line.get_xdata()) for line in axes.get_lines() if len(line.get_xdata()) == 2}
    for name, standing in results.standings.methods.items():
        if name != "single_task":  # the intervals of the tests, which say what the colours say
            tested = standing.contrasts["reference"].corrected
            assert tested
            assert (tested.low, tested.high) in intervals
            assert (faces[name] == "white") == (tested.low < 0 < tested.high)
    [legend] = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["better (Holm)", "worse (Holm)", "neither"]
    assert axes.get_xlabel() == "Δ log against single_task, right is better"


def test_a_forest_of_nothing_is_refused(make_record: Make) -> None:
    records = [make_record("single_task", 0)]
    with pytest.raises(ValueError, match="`toy` should have runs of two methods on the same seeds"):
        draw_forest(analyse(select_records(board_of_suite("toy", records), records)))


def test_axes_of_the_caller_are_used_as_they_are(results: Results) -> None:
    figure, axes = pyplot.subplots()
    assert draw_forest(results, axes) is axes
    assert figure.legends == []
    assert pyplot.get_fignums() == [figure.number]


def test_a_curve_has_the_errors_at_every_value(make_record: Make) -> None:
    rates = {0.01: 90.0, 0.02: 95.0, 0.04: 80.0}
    records = [
        make_record(
            "hard", seed, {"left": right}, overrides={"lr": rate}, changed={"lr": rate}, validation={"left": 0.2}
        )
        for rate, right in rates.items()
        for seed in range(3)
    ]
    axes = draw_curves(find_curves(records))
    [line] = [line for line in axes.get_lines() if line.get_label() == "hard"]
    assert line.get_xdata() == pytest.approx(list(rates))
    assert line.get_ydata() == pytest.approx([0.1, 0.05, 0.2])
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "lr", "test error, lower is better")


def test_curves_of_two_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one suite and one setting. Found 0"):
        draw_curves([])


def test_a_dial_has_its_ends(make_record: Make) -> None:
    values = {"inf": 90.0, "100.0": 92.0, "10.0": 94.0, "0.0": 80.0}
    records = [make_record(end, seed, {"left": 90.0}) for end in ("single_task", "hard") for seed in range(3)]
    for value, right in values.items():
        for seed in range(3):
            record = make_record(f"soft+l2:halflife={value}", seed, {"left": right})
            records.append(record)
    [dial] = find_dials(records)
    axes = draw_dial(dial)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["∞", "100", "10", "0"]
    [line] = [line for line in axes.get_lines() if len(line.get_xdata()) == 4]
    assert line.get_ydata() == pytest.approx([10.0, 8.0, 6.0, 20.0])
    flat = [line for line in axes.get_lines() if str(line.get_label()) in ("single_task", "hard")]
    assert [line.get_ydata()[0] for line in flat] == pytest.approx([10.0, 10.0])
    assert math.isclose(axes.get_lines()[0].get_linewidth(), 1.4)
