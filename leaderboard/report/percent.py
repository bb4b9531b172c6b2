"""Changes in log error for people: per cent of error, less error below 0."""

import math

from leaderboard.analysis.statistics import Interval, percent_less


def to_error_change(change: float) -> float:
    """A change in log error, positive where there is less error, as the change of error in per cent.

    100 (e^-change - 1)
    """
    return 0.0 - percent_less(change)  # which makes no -0


def write_percent(change: float, short: bool = False) -> str:
    """A change in log error as the change of error in per cent, as `-4.2`; `short`: two digits, as `-41`."""
    return _write_signed(to_error_change(change), short)


def write_percent_ends(change: Interval, short: bool = False) -> str:
    """The ends of a change of error in per cent, as `[-6.0, -2.4]`; empty where there are none."""
    if change.low is None or change.high is None:
        return ""
    return f"[{write_percent(change.high, short)}, {write_percent(change.low, short)}]"


def write_error_change(change: Interval, short: bool = False) -> str:
    """The change of error with its interval, as `-4.2 % [-6.0, -2.4]`; empty where there is none."""
    if not math.isfinite(change.mean):
        return ""
    return f"{write_percent(change.mean, short)} % {write_percent_ends(change, short)}".rstrip()


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
        ends = f" [{_write_signed(percent_less(change.low))}, {_write_signed(percent_less(change.high))}]"
    return f"{_write_signed(percent_less(change.mean))}{ends}"


def _write_signed(percent: float, short: bool = False) -> str:
    """A number of per cent with its sign, which 0 has only as `+`."""
    return f"{percent:+z.{0 if short and abs(percent) >= 9.95 else 1}f}"
