"""`mtlbench compare`: two methods against each other on every board that has both, a line each."""

from collections.abc import Mapping, Sequence

from leaderboard.analysis.costs import Currency, collect_costs
from leaderboard.analysis.method_pair import MethodPair
from leaderboard.report.formats import MISSING, markdown_table
from leaderboard.report.percent import write_error_change
from leaderboard.report.verdict_words import word_contrast

COSTS: dict[str, Currency] = {"parameters": "parameters", "training FLOPs": "flops"}
NOTES = (
    "error change: 100 (exp(-Δ log) - 1), paired by seed, below 0 where the first method has less error; Δ log is the "
    "mean over tasks of log(error of the second / error of the first).",
    "verdict: that of the board. Against its reference, a twin or the best it is the planned one; any other is "
    "corrected over all pairs of the board (Holm), and needs more to be shown. The interval is that of the test.",
    "parameters, training FLOPs: of the first over the second.",
)


def tabulate_pairs(pairs: Sequence[MethodPair], format: str = "text") -> str:
    """The two methods on every board, as text or Markdown; ends with a newline.

    Args:
        pairs: of the same two methods, at least one.
        format: `md` for Markdown; any other text is written for the terminal.
    """
    from leaderboard.report.terminal import draw_texts  # rich, which pages do without

    first = pairs[0]
    head = ["board", "suite", "error change", "verdict", "seeds", *COSTS]
    lines = [
        [
            pair.results.board.name,
            pair.results.board.suite,
            write_error_change(pair.corrected),
            word_contrast(pair.verdict),
            str(len(pair.seeds)),
            *(_write_ratio(pair, currency) for currency in COSTS.values()),
        ]
        for pair in pairs
    ]
    title = f"{first.method} against {first.other}"
    if format == "md":
        return markdown_table(title, head, lines, NOTES)
    return draw_texts(title, head, lines, NOTES, ["board", "suite", "verdict"])


def write_cost_ratio(costs: Mapping[str, float], method: str, other: str) -> str:
    """A cost of `method` over that of `other`, as `0.50x`; a dash where records do not say."""
    return f"{costs[method] / costs[other]:.2f}x" if {method, other} <= costs.keys() else MISSING


def _write_ratio(pair: MethodPair, currency: Currency) -> str:
    """A cost of the first method over that of the second."""
    return write_cost_ratio(collect_costs(pair.results.records, currency), pair.method, pair.other)
