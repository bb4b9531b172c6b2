"""Two methods' curves along a setting in one small drawing: test error at each value, and the value that each chose."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaderboard.analysis.curves import CurveSummary
from leaderboard.analysis.results import Results
from leaderboard.report.escape import printable

WIDE, HIGH, EDGE = 150, 46, 5  # of a drawing, in its own units


@dataclass(frozen=True)
class PairCurve:
    """A drawing for the template: a line for each of two methods, a mark where validation chose, and all in words.

    `lines` are points of a polyline as SVG takes them, `marks` centres of circles; a method without a choice has none.
    """

    lines: tuple[str, ...]
    marks: tuple[tuple[str, str] | None, ...]
    text: str


def draw_pair_curve(own: CurveSummary, other: CurveSummary) -> PairCurve | None:
    """Draw test error, up, by the setting, along, both on a log scale that the two share; None where nothing is known.

    The first line is of the method that a page is about.
    """
    both = own, other
    known = [[point for point in each.points if point.value > 0 and point.test.mean > 0] for each in both]
    if not all(known):
        return None
    values = [math.log(point.value) for points in known for point in points]
    errors = [math.log(point.test.mean) for points in known for point in points]
    across, up = _Axis(values, WIDE), _Axis(errors, HIGH)
    places = [
        {
            p.value: (f"{across.place(math.log(p.value)):.0f}", f"{HIGH - up.place(math.log(p.test.mean)):.0f}")
            for p in points
        }
        for points in known
    ]
    marks = tuple(
        place.get(each.chosen.value) if each.chosen else None for place, each in zip(places, both, strict=True)
    )
    lines = tuple(" ".join(f"{x},{y}" for x, y in place.values()) for place in places)
    return PairCurve(lines, marks, _describe_curves(both))


def find_pair_curves(curves: Iterable[CurveSummary], results: Results) -> dict[str, CurveSummary]:
    """Method -> its curve over the setting and under the protocol of a board; empty for a board without curves."""
    board, protocol = results.board, results.cells.protocol
    if board.curve is None or protocol is None:
        return {}
    found = {}
    for each in curves:
        curve = each.curve
        run = next(run for runs in curve.points.values() for run in runs.values())
        same = curve.suite == board.suite and run.spec.protocol.version == protocol.version
        if same and curve.setting == board.curve.grid.setting and not curve.settings:
            found[curve.method] = each
    return found


class _Axis:
    """The scale of an axis: its least and largest value lie at the edges of the drawing."""

    def __init__(self, values: Sequence[float], length: int) -> None:
        self._low, self._high, self._length = min(values), max(values), length

    def place(self, value: float) -> float:
        """Where a value lies, in units of the drawing; the middle where all are equal."""
        if self._high <= self._low:
            return self._length / 2
        return EDGE + (self._length - 2 * EDGE) * (value - self._low) / (self._high - self._low)


def _describe_curves(both: Sequence[CurveSummary]) -> str:
    """Which value each method chose, and its test error there."""
    told = [
        f"{each.curve.method} {each.chosen.value:g} (test error {each.chosen.test.mean:.3g})"
        for each in both
        if each.chosen
    ]
    chosen = f": chosen by validation {', '.join(told)}" if told else ""
    return printable(f"test error by {both[0].curve.setting}{chosen}")
