"""Two methods against each other as a sentence and as lines of texts."""

from bench.errors import count_nouns
from leaderboard.analysis.method_pair import MethodPair
from leaderboard.analysis.statistics import Interval
from leaderboard.report.escape import printable
from leaderboard.report.formats import MISSING

_FAMILIES = {
    "reference": "every method against the reference",
    "twin": "every method against its twin",
    "best": "all pairs, as the best is read off the same runs",
    None: "all pairs of the board",
}
_VERDICTS = {
    "better": "{a} is better than {b}",
    "worse": "{a} is worse than {b}",
    "equivalent": "{a} and {b} are within 5 % of error of each other",
    "undecided": "{a} and {b} are not told apart",
}


def describe_pair(pair: MethodPair) -> str:
    """The verdict with the numbers behind it, in one line of text; the interval is that of the test."""
    verdict = _VERDICTS[pair.verdict].format(a=pair.method, b=pair.other)
    seeds = count_nouns(len(pair.seeds), "paired seed")
    less = f"{abs(pair.percent):.1f} % {'less' if pair.percent >= 0 else 'more'} error"
    tests = f"p = {pair.contrast.different:.2g} after Holm over {pair.contrast.family} tests"
    text = (
        f"On {pair.results.board.name}, {verdict}: Δ log {_write_interval(pair.corrected)} ({less}) over {seeds}, "
        f"{tests} ({_FAMILIES[pair.kind]})."
    )
    if pair.verdict == "undecided":
        text += f" A change of {pair.contrast.detectable:.3f} would be found in four of five boards like this one."
    return printable(text)


def write_pair_rows(pair: MethodPair) -> list[list[str]]:
    """A head and lines: the change over all tasks, then task by task, each with its own 95 % interval."""
    intervals = {"all tasks": pair.estimate, **pair.tasks}
    lines = [[task, f"{each.mean:+.3f}", _write_ends(each), str(each.n)] for task, each in intervals.items()]
    return [["Δ log", "mean", "95 % interval", "seeds"], *lines]


def _write_interval(estimate: Interval) -> str:
    """Mean and interval, as `+0.015 [-0.010, +0.040]`."""
    ends = _write_ends(estimate)
    return f"{estimate.mean:+.3f}{'' if ends == MISSING else f' {ends}'}"


def _write_ends(estimate: Interval) -> str:
    """The interval in brackets; a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return MISSING
    return f"[{estimate.low:+.3f}, {estimate.high:+.3f}]"
