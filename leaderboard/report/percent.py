"""Changes in log error for people: per cent of error."""

import math

from leaderboard.analysis.statistics import Interval, percent_less


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
