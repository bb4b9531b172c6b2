"""Changes in log error for people: per cent of error, less error below 0."""

import math

from leaderboard.analysis.statistics import Interval, percent_less


def to_error_change(change: float) -> float:
    """A change in log error, positive where there is less error, as the change of error in per cent.

    100 (e^-change - 1)
    """
    return 0.0 - percent_less(change)  # which makes no -0


def write_error_change(change: Interval) -> str:
    """The change of error with its interval, as `-4.2 % [-6.0, -2.4]`; empty where there is none."""
    if not math.isfinite(change.mean):
        return ""
    ends = ""
    if change.low is not None and change.high is not None:
        ends = f" [{to_error_change(change.high):+.1f}, {to_error_change(change.low):+.1f}]"
    return f"{to_error_change(change.mean):+.1f} %{ends}"


def write_change(change: Interval) -> str:
    """A change in words of error, as `12.0 % less error [8.1, 15.7]`; empty where there is none."""
    if not math.isfinite(change.mean):
        return ""
    mean = percent_less(change.mean)
    word = "less" if mean >= 0 else "more"
    ends = ""
    if change.low is not None and change.high is not None:
        low, high = percent_less(change.low), percent_less(change.high)
        ends = f" [{low:.1f}, {high:.1f}]" if word == "less" else f" [{-high:.1f}, {-low:.1f}]"
    return f"{abs(mean):.1f} % {word} error{ends}"


def write_signed_change(change: Interval) -> str:
    """Per cent less error with its interval, as `+12.0 [+8.1, +15.7]`; empty where there is none."""
    if not math.isfinite(change.mean):
        return ""
    ends = ""
    if change.low is not None and change.high is not None:
        ends = f" [{percent_less(change.low):+.1f}, {percent_less(change.high):+.1f}]"
    return f"{percent_less(change.mean):+.1f}{ends}"
