"""What several charts have in common."""

import math

from leaderboard.analysis.results import Results
from leaderboard.site.view import Trace, shorten_label

LINE = 22  # pixels from one method to the next
_STEPS = (
    tuple(1 + k / 10 for k in range(90)),
    tuple(1 + k / 5 for k in range(45)),
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)


def label(results: Results, method: str) -> str:
    """A method's name for an axis."""
    return shorten_label(results.board.label(method))


def reach(high: float | None, low: float | None) -> float:
    """The length of one half of an interval; 0 where there is none."""
    return 0.0 if high is None or low is None else high - low


def log_axis(low: float, high: float, most: int = 4) -> Trace:
    """A logarithmic axis over [low, high] whose ticks are few and round, since those of a short one overlap."""
    first, last = (low / 1.12, high * 1.12) if low < high else (low / 2, high * 2)
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    for steps in _STEPS:
        found = [step * 10.0**power for power in powers for step in steps if first <= step * 10.0**power <= last]
        if len(found) <= most:
            break
    found = found[:: -(-len(found) // most)] if len(found) > 1 else [low, high]
    return {
        "type": "log",
        "range": [math.log10(first), math.log10(last)],
        "tickvals": found,
        "ticktext": [abbreviate_number(value) for value in found],
        "tickangle": 0,
    }


def abbreviate_number(value: float) -> str:
    """A number with a letter for thousands, millions and so on: 12.5k."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
