"""Estimates of log errors, taken back to errors, and as JSON."""

import math

from leaderboard.analysis.statistics import Interval


def take_exponential(logs: Interval) -> Interval:
    """The geometric mean with its interval, of an estimate of natural logarithms."""
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Interval(math.exp(logs.mean), low, high, logs.n)


def estimate_as_json(estimate: Interval) -> dict[str, float | int | None]:
    """An estimate as JSON values; a number that is not finite is null."""
    return {
        "mean": finite_or_none(estimate.mean),
        "low": finite_or_none(estimate.low),
        "high": finite_or_none(estimate.high),
        "seeds": estimate.n,
    }


def finite_or_none(value: float | None) -> float | None:
    """The number, or None where JSON has none for it."""
    return value if value is not None and math.isfinite(value) else None
