"""Axes: where values lie between the ends of an axis, and which of them have a tick."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaderboard.site.figures.parts import abbreviate_number, make_log_axis

ROOM = 0.04  # of the range, beyond the first and the last value where nothing else is said
_STEPS = (1, 2, 2.5, 5, 10)  # between ticks, times a power of ten


@dataclass(frozen=True)
class Scale:
    """One axis: values go through `log10` where it is logarithmic, categories to their number.

    Attributes:
        low, high: the ends, after that.
        kind: `linear`, `log` or `category`.
        places: category -> its number.
        ticks: (place between 0 and 1, text), of those inside.
        title: of the axis.
        turned: whether the labels of its ticks are steep.
        grid: whether ticks have lines across the chart.
    """

    low: float
    high: float
    kind: str
    places: Mapping[Any, int]
    ticks: Sequence[tuple[float, str]]
    title: str = ""
    turned: bool = False
    grid: bool = True

    def place(self, value: Any) -> float | None:
        """Where a value lies, 0 at the low end and 1 at the high one; None for what is no number."""
        if self.kind == "category":
            number = self.places.get(value)
            return None if number is None else (number - self.low) / (self.high - self.low)
        if value is None or not math.isfinite(value) or (self.kind == "log" and value <= 0):
            return None
        at = math.log10(value) if self.kind == "log" else float(value)
        return (at - self.low) / (self.high - self.low)

    def place_all(self, values: Sequence[Any]) -> np.ndarray:
        """Where many values lie, as `place` says of each; NaN for what is no number."""
        if self.kind == "category":
            places = (self.place(value) for value in values)
            return np.array([math.nan if place is None else place for place in places])
        found = np.array(values, dtype=float)  # None becomes NaN
        if self.kind == "log":
            found = np.log10(np.where(found > 0, found, math.nan))
        return np.where(np.isfinite(found), (found - self.low) / (self.high - self.low), math.nan)


def make_scale(axis: Mapping[str, Any], values: Iterable[Any], *, room: float = ROOM) -> Scale:
    """The axis of a figure over what is drawn along it.

    Args:
        axis: its keys as Plotly names them: type, range, tickvals, ticktext, categoryarray, title, ...
        values: numbers, or names where the axis has categories; None and NaN are passed over.
        room: share of the range that is left beyond the values at either end.
    """
    known = list(values)
    title = axis.get("title", {}).get("text", "")
    turned, grid = bool(axis.get("tickangle")), axis.get("showgrid", True)
    if axis.get("type") == "category" or str in set(map(type, known)):
        return _make_categories(axis, [value for value in known if value is not None], title, turned=turned)
    found = np.array(known, dtype=float)  # None becomes NaN
    numbers = found[np.isfinite(found)].tolist()
    if axis.get("type") == "log":
        positive = [value for value in numbers if value > 0] or [1.0]
        given = axis if "tickvals" in axis else make_log_axis(min(positive), max(positive), 6)
        low, high = axis.get("range") or given["range"]
        scale = Scale(low, high, "log", {}, [], title, turned, grid)
        return _with_ticks(scale, zip(given["tickvals"], given["ticktext"], strict=True))
    low, high = axis.get("range") or _widen(min(numbers, default=0.0), max(numbers, default=1.0), room)
    scale = Scale(low, high, "linear", {}, [], title, turned, grid)
    if "tickvals" in axis:
        return _with_ticks(scale, zip(axis["tickvals"], axis["ticktext"], strict=True))
    return _with_ticks(scale, choose_ticks(low, high, axis.get("nticks", 5)))


def choose_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Round values between `low` and `high`, at most about `most` of them, each with its text."""
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step * power for step in _STEPS if step * power >= least * 0.999)
    digits = max(0, -math.floor(math.log10(step) + 1e-9) + (round(step / power, 6) == 2.5))
    ticks = []
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        value = number * step
        short = 10_000 <= abs(value) <= 100 * step  # with three digits, neighbours still differ
        ticks.append((value, abbreviate_number(value) if short else f"{value:z.{digits}f}"))
    return ticks


def _make_categories(axis: Mapping[str, Any], values: Sequence[Any], title: str, *, turned: bool) -> Scale:
    """An axis of names, in the order given or met; the first is at the low end, unless it runs the other way."""
    names = list(dict.fromkeys([*axis.get("categoryarray", ()), *values]))
    low, high = axis.get("range", (-0.5, len(names) - 0.5))
    if axis.get("autorange") == "reversed":
        low, high = high, low
    shown = names if axis.get("showticklabels", True) else []
    scale = Scale(low, high, "category", {name: at for at, name in enumerate(names)}, [], title, turned, False)
    return _with_ticks(scale, ((name, str(name)) for name in shown))


def _widen(low: float, high: float, room: float) -> tuple[float, float]:
    """A range with some room at its ends, and never an empty one."""
    if low == high:
        return low - (abs(low) / 2 or 0.5), high + (abs(high) / 2 or 0.5)
    return low - room * (high - low), high + room * (high - low)


def _with_ticks(scale: Scale, ticks: Iterable[tuple[Any, str]]) -> Scale:
    """The scale with those of the ticks that lie on it."""
    placed = [(at, text) for value, text in ticks if (at := scale.place(value)) is not None and -1e-6 <= at <= 1 + 1e-6]
    return Scale(scale.low, scale.high, scale.kind, scale.places, placed, scale.title, scale.turned, scale.grid)
