"""`mtlbench table --details`, where labels are missing: how many rows have one, by split and task."""

from bench.errors import make_printable
from leaderboard.report.formats import MISSING, markdown_table
from leaderboard.report.table import Table
from leaderboard.report.terminal import draw_texts

NOTE = (
    "Rows with a label of the task; a range where seeds have different numbers. Losses and scores are over labels that "
    "are there (docs/missing_labels.md)."
)


def write_label_counts(table: Table, format: str = "text") -> str:
    """The labels of every split in which some are missing, over all runs of `table`; empty where none is.

    format: `md` for Markdown; any other text is written for the terminal.

    Returns:
        The text, which ends with a newline.
    """
    counts: dict[tuple[str, str], list[int]] = {}
    records = list(table.results.records.values())
    for record in records:
        for split, labels in record.labels.items():
            for task, count in labels.items():
                counts.setdefault((split, task), []).append(count)
    if not counts:
        return ""
    splits, tasks = (list(dict.fromkeys(key[at] for key in counts)) for at in (0, 1))
    rows = records[0].spec.protocol.splits
    lines = [
        [
            make_printable(split),
            f"{rows.get(split, 0)}",
            *(_write_range(counts.get((split, task), [])) for task in tasks),
        ]
        for split in splits
    ]
    title, head = f"{table.board.title}: labels", ["split", "rows", *map(make_printable, tasks)]
    if format == "md":
        return markdown_table(title, head, lines, [NOTE])
    return draw_texts(title, head, lines, [NOTE], ["split"])


def _write_range(counts: list[int]) -> str:
    """`12`, `11-13`, or a dash where there is none."""
    if not counts:
        return MISSING
    least, most = min(counts), max(counts)
    return f"{least}" if least == most else f"{least}-{most}"
