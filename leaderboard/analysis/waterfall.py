"""A gain in parts on one axis: what could be had without the labels of other tasks, one explanation after another.

For errors L_c,s of the main task under condition c and seed s, a ladder c_0, c_1, ..., c_K leads from the main task
alone to the method. Part k is d_k,s = log(L_{c_{k-1},s} / L_{c_k,s}), and the parts of a seed sum to its gain.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.statistics import Interval, interval

SHUFFLED = "shuffled"  # the method beside shuffled labels, over the best that could be had without it
INFORMATION = "information"  # the method over itself beside shuffled labels


@dataclass(frozen=True)
class GainPart:
    """One bar.

    Attributes:
        name: an explanation, SHUFFLED or INFORMATION.
        condition: at which the ladder stands after it; the one before where the explanation gives nothing more.
        change: mean of d_k over seeds with its 95 % interval, paired; positive where error falls.
    """

    name: str
    condition: str
    change: Interval


@dataclass(frozen=True)
class Waterfall:
    """The parts of a gain, in order, and the gain; `rows` (K, seeds) are the parts of every seed."""

    parts: tuple[GainPart, ...]
    total: Interval
    rows: np.ndarray


def climb(
    explanations: Mapping[str, Sequence[str]], validation: Mapping[str, float], start: str
) -> list[tuple[str, str]]:
    """(explanation, condition) in order: each time the best on validation of all conditions so far.

    A condition that does not beat those before it leaves the ladder where it is, and its part is 0. Validation
    decides, so that the parts, which are of the test split, are not of the luckiest.

    Args:
        explanations: name -> its conditions, in the order in which they are taken away from the gain.
        validation: condition -> mean log error of the main task on validation; none where it was not run on every
            seed. A start that has none is not beaten.
        start: the condition to begin with.
    """
    best, ladder = start, []
    for name, conditions in explanations.items():
        for condition in conditions:
            if validation.get(condition, math.inf) < validation.get(best, -math.inf):
                best = condition
        ladder.append((name, best))
    return ladder


def build_waterfall(
    errors: Mapping[str, np.ndarray], ladder: Sequence[tuple[str, str]], start: str, overlap: float = 0.0
) -> Waterfall:
    """The parts along a ladder.

    Args:
        errors: condition -> errors (seeds,) > 0 of the main task on the test split; NaN where a run failed. Seeds that
            lack a condition of the ladder are left out of all parts.
        ladder: (name of the part, condition after it), in order.
        start: the condition before the first part.
        overlap: test rows per training row where seeds are random splits of the same rows, else 0.
    """
    logs = np.stack([np.log(errors[condition]) for condition in (start, *(condition for _, condition in ladder))])
    logs = logs[:, np.isfinite(logs).all(axis=0)]
    rows = logs[:-1] - logs[1:]
    parts = tuple(
        GainPart(name, condition, interval(row, overlap=overlap))
        for (name, condition), row in zip(ladder, rows, strict=True)
    )
    return Waterfall(parts, interval(logs[0] - logs[-1], overlap=overlap), rows)
