"""How a board is run again, and how long its runs took: from the records, for a board that is committed."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.errors import count_nouns
from bench.records import ResultRecord
from leaderboard.report.escape import printable
from leaderboard.site.context import Context
from leaderboard.site.shown import Shown


@dataclass(frozen=True)
class Reproduction:
    """The command that makes a table again, and sentences of what its runs took."""

    command: str
    took: list[str]


def describe_reproduction(site: Context, one: Shown) -> Reproduction | None:
    """How to run the table of a board again; None for a board that is not committed, and for a tuned track.

    Times are those of all updates, as records have them: evaluation and what was not timed, as fits of a solver, are
    not in them.
    """
    if not one.committed or one.track != "default":
        return None
    runs = list(one.results.records.values())
    took = [f"The {count_nouns(len(runs), 'run')} of this page took {_write_time(runs)}."]
    curves = [each.curve for each in site.curves if each.curve.suite == one.board.suite] if one.board.curve else []
    if one.board.curve:
        known = {run.run_id for run in runs}
        further = [
            run
            for curve in curves
            for point in curve.points.values()
            for run in point.values()
            if run.run_id not in known and one.board.covers(run)
        ]
        if further:
            took.append(
                f"Each method's value was chosen by {count_nouns(len(further), 'further run')}, which took "
                f"{_write_time(further)}."
            )
    return Reproduction(printable(f"mtlbench reproduce {one.board.name}"), took)


def _write_time(runs: Iterable[ResultRecord]) -> str:
    """How long runs trained in sum, and where: as `3.1 hours of training in sum (cpu: NAME, 1 thread)`."""
    costs = [run.cost for run in runs if run.cost and run.cost.train_seconds > 0]
    seconds = math.fsum(cost.train_seconds for cost in costs)
    if not costs:
        return "a time that nobody measured"
    [(hardware, _)] = Counter(cost.hardware for cost in costs).most_common(1)
    for unit, length in (("hour", 3600.0), ("minute", 60.0), ("second", 1.0)):
        if seconds >= length or length == 1.0:
            amount = f"{seconds / length:.1f} {unit}s"
            break
    return f"{amount} of training in sum, one after the other (mostly on {printable(hardware)})"
