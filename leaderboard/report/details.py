"""`mtlbench table --details`: how certain each method's place is, one line per method.

Columns are verdicts with their p values, the chance of beating the reference, a robust mean, and the task that gains
least. All numbers come from `leaderboard.analysis.standings`; this module only writes them.
"""

from collections.abc import Sequence
from typing import get_args

from leaderboard.analysis.contrasts import ContrastKind
from leaderboard.analysis.selection_effect import compare_rules
from leaderboard.analysis.standings import Standing
from leaderboard.analysis.statistics import Interval, SelectionRule
from leaderboard.report.footnotes import explain_standings
from leaderboard.report.formats import MISSING, markdown_table, write_note, write_rank
from leaderboard.report.table import Table, WideLine
from leaderboard.report.terminal import draw_texts
from leaderboard.report.verdict_words import word_row

# Below every such table: its columns are rarely met outside statistics.
NOTE = (
    "p: of the test behind the verdict before it, adjusted over its family. P(better): against `{reference}` on a "
    "random seed and task. middle: interquartile mean of log(reference error / error) over seeds and tasks. Tests and "
    "intervals: docs/statistics.md."
)
RULE_NOTE = (
    "val: the epoch that validation chooses, for a joint model one for all tasks; per_task: each task's own best one; "
    "last: the last one. Where the three agree, the choice of the epoch is no reason for a change."
)


def write_details(table: Table, format: str = "text") -> str:
    """The standings of `table` as a text of their own, the best rank first and methods without a rank last.

    Below them stand the changes under each selection rule, where runs have all of them.

    Args:
        table: the board, laid out; its footnotes are repeated only as far as they explain the standings.
        format: `md` for Markdown; any other text is written for the terminal.

    Returns:
        The text, which ends with a newline. A board without ranked methods gives one sentence that says so.
    """
    standings = table.results.standings
    title = f"{table.board.title}: how sure"
    head = ["method", "rank", "Δ log ↑"]
    kinds = standings.kinds
    head += [name for kind in kinds for name in (table.name_contrast(kind), "p")]
    head += ["P(better)", "middle", "worst task"]
    # Those without a rank last: NaN sorts nowhere by itself.
    order = sorted(standings.methods.values(), key=lambda each: (not each.ranked, each.rank.mean))
    lines = [_line(table, each, kinds) for each in order]
    notes = [NOTE.format(reference=table.board.reference), *map(write_note, explain_standings(table.results))]
    notes = notes if lines else ["Nothing here is ranked."]
    left = ["method", "rank", "worst task", *(name for name in head if name.startswith("vs "))]
    return "\n".join(filter(None, (_draw(format, title, head, lines, notes, left), _write_rules(table, format))))


def _draw(
    format: str, title: str, head: list[str], lines: list[list[str]], notes: list[str], left: Sequence[str]
) -> str:
    """A table of texts as Markdown or for the terminal."""
    return markdown_table(title, head, lines, notes) if format == "md" else draw_texts(title, head, lines, notes, left)


def _write_rules(table: Table, format: str) -> str:
    """Every change under every rule that picks the epoch; empty where no run has all of them."""
    effects = compare_rules(table.results)
    lines = [[table.board.label(method), *map(write_estimate, own.values())] for method, own in effects.items()]
    title, notes = f"{table.board.title}: Δ log ↑ under each selection rule", [RULE_NOTE]
    return _draw(format, title, ["method", *get_args(SelectionRule)], lines, notes, ["method"]) if lines else ""


def _line(table: Table, each: Standing, kinds: list[ContrastKind]) -> list[str]:
    """The cells of one method; dashes for what is the reference itself."""
    line = next(line for line in table.lines if line.method == each.method)
    worst = f"{each.worst.task} {write_estimate(each.worst.gain)}" if each.worst else MISSING
    own = each.method == table.board.reference
    return [
        table.board.label(each.method),
        write_rank(each) or MISSING,
        "0.000" if own else write_estimate(line.judged.change),
        *(text for kind in kinds for text in _verdict(table, line, kind)),
        MISSING if own or each.win != each.win else f"{each.win:.2f}",
        MISSING if own or each.middle != each.middle else f"{each.middle:+.3f}",
        worst,
    ]


def _verdict(table: Table, line: WideLine, kind: ContrastKind) -> tuple[str, str]:
    """A verdict and its p; of a twin with its name, since each method has another one."""
    contrast = line.standing.contrasts.get(kind) if line.standing else None
    word = word_row(line.judged, line.standing, kind) or MISSING
    if kind == "twin" and contrast:
        word = f"{word} ({table.board.label(contrast.other)})"
    return word, _p(contrast.different if contrast else None)


def _p(value: float | None) -> str:
    """A p value with three decimals, `< 0.001` below that, and a dash where there is no test."""
    if value is None or value != value:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def write_estimate(estimate: Interval, decimals: int = 3) -> str:
    """`+0.123 [+0.100, +0.146]`; the mean alone where it has no interval, a dash where it has no mean."""
    if estimate.mean != estimate.mean:
        return MISSING
    ends = "" if estimate.low is None else f" [{estimate.low:+.{decimals}f}, {estimate.high:+.{decimals}f}]"
    return f"{estimate.mean:+.{decimals}f}{ends}"
