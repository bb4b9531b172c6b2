"""Labels, error bars and axes that several charts share.

They take numbers and names only, so that charts of boards, runs and searches can use them alike.
"""

import math
from collections.abc import Sequence

from leaderboard.analysis.results import Results
from leaderboard.site.view import Trace, shorten_label

LINE = 22  # pixels from one method to the next
# Multiples of a power of ten that may be ticks, from fine to coarse: tenths down to the powers alone.
_STEPS = (
    tuple(1 + k / 10 for k in range(90)),
    tuple(1 + k / 5 for k in range(45)),
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)

_CHANGES = (
    1,
    2,
    5,
    10,
    15,
    20,
    30,
    40,
    50,
    60,
    70,
    80,
    90,
    100,
    150,
    200,
    300,
    500,
    1000,
    2000,
    5000,
    10000,
)  # per cent


def label_method(results: Results, method: str) -> str:
    """The label of a method on an axis: its name on the board, shortened and escaped.

    The board's labels are for people and may differ from the method's text, which keys and links use.
    """
    return shorten_label(results.board.label(method))


def measure_error_bar(high: float | None, low: float | None) -> float:
    """Length of one half of an interval, high - low.

    0 where either end is missing, so that no bar is drawn.
    """
    return 0.0 if high is None or low is None else high - low


def make_log_axis(low: float, high: float, most: int = 4) -> Trace:
    """Make a logarithmic axis over [low, high] with few round ticks, so that their labels do not overlap.

    The finest of _STEPS that gives few enough ticks is used; where fewer than two would be left, both ends are the
    ticks. The axis reaches 12 % beyond the ends, or a factor of 2 around a single value.

    Args:
        low: the least value, positive.
        high: the largest one.
        most: how many ticks there may be.

    Returns:
        The keys of an axis: type, range (as powers of ten), tick values and their texts.
    """
    first, last = (low / 1.12, high * 1.12) if low < high else (low / 2, high * 2)
    # Whole powers around the axis: a step times the power below `low` may still lie on it.
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    for steps in _STEPS:
        ticks = [step * 10.0**power for power in powers for step in steps if first <= step * 10.0**power <= last]
        if len(ticks) <= most:
            break
    ticks = ticks[:: -(-len(ticks) // most)] if len(ticks) > 1 else [low, high]
    return {
        "type": "log",
        "range": [math.log10(first), math.log10(last)],
        "tickvals": ticks,
        "ticktext": [abbreviate_number(value) for value in ticks],
        "tickangle": 0,
    }


def make_change_axis(values: Sequence[float], most: int = 7) -> Trace:
    """Ticks of an axis of log error changes that is labelled in per cent of error, as `-20`, `0`, `+25`.

    Args:
        values: what is drawn, in log error.
        most: how many ticks there may be.
    """
    low, high = min(0.0, *values), max(0.0, *values)
    least = (high - low) / most  # between two ticks
    kept: list[float] = [0.0]
    for side in (-1, 1):
        last = 0.0
        for percent in _CHANGES:
            at = math.log(100 / (100 - percent)) if side < 0 and percent < 100 else math.log1p(percent / 100)
            if (side > 0 or percent < 100) and at - last >= least and at <= (high if side > 0 else -low):
                kept.append(side * at)
                last = at
    kept.sort()
    return {"tickvals": kept, "ticktext": [f"{100 * math.expm1(value):+z.0f}" if value else "0" for value in kept]}


def abbreviate_number(value: float) -> str:
    """A number with three significant digits and a letter for thousands, millions and so on: 12.5k."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
