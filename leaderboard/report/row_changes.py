"""`mtlbench table --details`, second part: changes over seeds beside changes over seeds and test rows."""

from leaderboard.analysis.row_changes import ALL_TASKS, Units, compare_rows
from leaderboard.report.details import write_estimate
from leaderboard.report.formats import markdown_table
from leaderboard.report.table import Table
from leaderboard.report.terminal import draw_texts

NOTE = (
    "Against `{reference}`: accuracy in points, Δ log over all tasks. Over seeds: paired t intervals, which hold for "
    "these test rows. Over seeds and rows: both seeds and the {counts} {what} are random and crossed "
    "(docs/statistics.md), so that what is not 0 there is found with other test rows as well."
)


def write_row_changes(table: Table, format: str = "text", units: Units | None = None) -> str:
    """The changes of every method over seeds, and over seeds and rows; empty where no records keep the bits of rows.

    Args:
        table: the board, laid out.
        format: `md` for Markdown; any other text is written for the terminal.
        units: what test rows show, where several show one thing.

    Returns:
        The text, which ends with a newline.
    """
    changes = compare_rows(table.results, units)
    if not changes:
        return ""
    title, head = f"{table.board.title}: other test rows", ["method", "of", "over seeds", "over seeds and rows"]
    lines = []
    for each in changes:
        decimals = 3 if each.task == ALL_TASKS else 2
        of = "Δ log ↑" if each.task == ALL_TASKS else f"{each.task} accuracy ↑"
        estimates = [write_estimate(one, decimals) for one in (each.over_seeds, each.over_both)]
        lines.append([table.board.label(each.method), of, *estimates])
    counts = sorted({each.units for each in changes})
    told = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    what = "units of test rows (rows of a unit share what they show)" if units else "test rows"
    notes = [NOTE.format(reference=table.board.reference, counts=told, what=what)]
    if format == "md":
        return markdown_table(title, head, lines, notes)
    return draw_texts(title, head, lines, notes, ["method", "of"])
