"""`compare`: two methods of a board against each other, paired by seed."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError, require_text
from leaderboard.analysis.contrasts import ContrastVerdict
from leaderboard.analysis.method_pair import MethodPair, compare_two
from leaderboard.analysis.statistics import Interval, SelectionRule
from leaderboard.report.html import write_html_table
from leaderboard.report.pair_text import describe_pair, write_pair_rows
from mtlbench._tables import BoardTable, read_board

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class PairedComparison:
    """What the runs of a board say of method `a` against method `b`; printing it gives the sentence.

    Attributes:
        pair: the numbers, with those of the board behind them.
    """

    pair: MethodPair

    @property
    def a(self) -> str:
        """The method that is judged."""
        return self.pair.method

    @property
    def b(self) -> str:
        """The method that it is held against."""
        return self.pair.other

    @property
    def estimate(self) -> float:
        """Δ log, the mean over seeds and tasks of log(error of b / error of a); positive where `a` is better."""
        return self.pair.estimate.mean

    @property
    def interval(self) -> Interval:
        """The estimate with its 95 % Student t interval over seeds, not corrected for number."""
        return self.pair.estimate

    @property
    def corrected(self) -> Interval:
        """The estimate with the interval of the board's test: without 0 exactly where `a` is better or worse."""
        return self.pair.corrected

    @property
    def percent(self) -> float:
        """How much less error `a` has, in per cent."""
        return self.pair.percent

    @property
    def p(self) -> float:
        """Of the paired t test over seeds, by itself."""
        return self.pair.p

    @property
    def adjusted_p(self) -> float:
        """Of the same test after Holm over `family` tests."""
        return self.pair.contrast.different

    @property
    def equivalent_p(self) -> float:
        """Of the test that the two differ by more than 5 % of error, after Holm over the same family."""
        return self.pair.contrast.equivalent

    @property
    def family(self) -> int:
        """How many tests were adjusted together: those planned with this one, or all pairs of the board."""
        return self.pair.contrast.family

    @property
    def verdict(self) -> ContrastVerdict:
        """`better`, `worse`, `equivalent` or `undecided` at 5 % after adjustment; `a` is what is judged."""
        return self.pair.verdict

    def frame(self) -> "pd.DataFrame":
        """One row over all tasks and one for each task: estimate, low, high (95 %), seeds; `*` is over all tasks."""
        import pandas as pd

        intervals = {"*": self.pair.estimate, **self.pair.tasks}
        rows = [(task, each.mean, each.low, each.high, each.n) for task, each in intervals.items()]
        frame = pd.DataFrame(rows, columns=["task", "estimate", "ci_low", "ci_high", "seeds"])
        return frame.astype({"ci_low": float, "ci_high": float})

    def __str__(self) -> str:
        return describe_pair(self.pair)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rows = write_pair_rows(self.pair)
        return f"<div><p>{describe_pair(self.pair)}</p>{write_html_table(head, rows)}</div>"


def compare(
    board: str | BoardTable,
    a: str,
    b: str = "single_task",
    store: str | Path | None = None,
    *,
    selection: SelectionRule = "val",
) -> PairedComparison:
    """Compare two methods of a board by the tests that the board itself uses, paired by seed.

    A comparison with the board's reference, with a method's twin or with the best is the planned one of the board;
    any other is adjusted over all pairs of methods.

    Args:
        board: the name of a board or a suite, or what `mtlbench.table` returned.
        a: one of its methods, as the board lists them.
        b: the one that it is held against.
        store: a folder of records; None stands for the committed results.
        selection: which epoch of a run counts; of a board that is given, its own.

    Raises:
        UsageError: a method is no row of the board, the two are the same or have no seed in common, or the board has
            several suites.
        DataMissing: the code came without results, and no store was given.
    """
    for name, method in {"a": a, "b": b}.items():
        require_text(name, method)
    shown = read_board(board, store, selection)
    found = [part for part in shown.parts if {a, b} <= set(part.board.methods)]
    if len(found) > 1:
        suites = ", ".join(f"`{part.board.suite}`" for part in found)
        raise UsageError(f"`board` should be of one suite. Found {suites}; name one of them.")
    return PairedComparison(compare_two((found or shown.parts)[0].results, a, b))
