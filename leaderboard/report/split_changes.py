"""`mtlbench table --details`, third part: what a split and a seed contribute, where several splits have runs."""

import math
from collections.abc import Sequence

from bench.records import ResultRecord
from leaderboard.analysis.variance import compare_splits
from leaderboard.report.details import write_estimate
from leaderboard.report.formats import MISSING, markdown_table
from leaderboard.report.table import Table
from leaderboard.report.terminal import draw_texts

NOTE = (
    "Δ log against `{reference}`. Over seeds: on the split of this board, as in its table. Over splits: the mean of "
    "all splits that are stored, with a 95 % t interval that covers the choice of the split{corrected}. SD: standard "
    "deviation of what a split adds to a change, and of what a seed adds (docs/statistics.md)."
)
CORRECTED = (
    "; splits deal the same rows out anew, so that for what splits add it has 1/K + {:.3f}, the test rows per training "
    "row, in the place of 1/K (Nadeau and Bengio 2003)"
)


def write_split_changes(
    table: Table, records: Sequence[ResultRecord], format: str = "text", overlap: float = 0.0
) -> str:
    """The change of every method over splits beside that over seeds; empty where no further split has runs.

    Args:
        table: the board, laid out.
        records: everything that is stored.
        format: `md` for Markdown; any other text is written for the terminal.
        overlap: test rows per training row where splits are of the same rows, else 0.

    Returns:
        The text, which ends with a newline.
    """
    parts = compare_splits(table.results, records, overlap)
    if not parts:
        return ""
    title = f"{table.board.title}: other splits"
    head = ["method", "splits x seeds", "over seeds", "over splits", "SD split", "SD seed"]
    standings, lines = table.results.standings.methods, []
    for method, each in parts.items():
        least, most = each.seeds
        here = write_estimate(standings[method].change) if method in standings else MISSING
        seeds = f"{least}" if least == most else f"{least}-{most}"
        lines.append(
            [
                table.board.label(method),
                f"{each.mean.n} x {seeds}",
                here,
                write_estimate(each.mean),
                *(MISSING if math.isnan(value) else f"{value:.3f}" for value in (each.split, each.seed)),
            ]
        )
    corrected = CORRECTED.format(overlap) if overlap else ""
    notes = [NOTE.format(reference=table.board.reference, corrected=corrected)]
    if format == "md":
        return markdown_table(title, head, lines, notes)
    return draw_texts(title, head, lines, notes, ["method"])
