"""The card of an imported table: a page for people, beside its arrays."""

from collections.abc import Sequence

import numpy as np

from bench.errors import count_nouns, make_printable
from suites._own.description import OwnDescription
from suites._own.table_plan import TablePlan


def write_card(description: OwnDescription, plan: TablePlan) -> str:
    """The text of README.md: rows, columns, tasks with their labels, splits, training, and what to look at."""
    own, protocol = description, description.protocol
    source = own.provenance.get("file") or "Python"
    lines = [
        f"# {own.name}",
        "",
        f"Imported from {quote_cell(str(source))} on {own.provenance.get('imported')}: "
        f"{count_nouns(plan.rows, 'row')}, {count_nouns(len(plan.features), 'feature')}, "
        f"{count_nouns(len(own.tasks), 'task')}"
        + (", each with rows of its own." if own.own_inputs else " on the same rows."),
        "",
        f"    mtlbench run {own.name} single_task hard",
        f"    mtlbench table {own.name}",
        "",
        "## Tasks",
        "",
        "| task | column | kind | levels | labels |",
        "| :-- | :-- | :-- | :-- | --: |",
        *(
            f"| {task.name} | {quote_cell(task.title)} | {task.kind} | {quote_cell(', '.join(task.levels))} "
            f"| {labels:,} |"
            for task, labels in zip(own.tasks, _count_labels(plan), strict=True)
        ),
        "",
        "## Columns",
        "",
        "| column | role | type | missing | distinct | range |",
        "| :-- | :-- | :-- | --: | --: | :-- |",
        *(
            f"| {quote_cell(c.name)} | {c.role} | {c.kind} | {c.missing:,} | {c.distinct:,} | {quote_cell(c.range)} |"
            for c in plan.columns
        ),
        "",
        "## Splits and training",
        "",
        f"{', '.join(f'{rows:,} {split}' for split, rows in own.rows.items())} rows: {protocol['split_rule']}. "
        "Encoders of features and units of targets are found in the training rows.",
        "",
        f"{protocol['optimiser']} at {protocol['lr']}, batches of {protocol['batch_size']}, {protocol['epochs']} "
        f"epochs of {count_nouns(protocol['steps_per_epoch'], 'update')}, `{own.backbone}`; `mtlbench protocol "
        f"{own.name}` has all "
        "of it.",
        "",
        *list_remarks(plan.warnings),
        "`set.json` has the SHA-256 of every file.",
        "",
    ]
    return "\n".join(lines)


def quote_cell(text: str, most: int = 200) -> str:
    """`text` as plain Markdown, also in a cell of a table; what is longer than `most` is cut."""
    return make_printable(text, most).replace("|", "\\|").replace("<", "&lt;")


def list_remarks(warnings: Sequence[str]) -> list[str]:
    """Lines on what to look at; none where there is nothing."""
    return ["## Look at", "", *(f"- {quote_cell(warning, 1000)}" for warning in warnings), ""] if warnings else []


def _count_labels(plan: TablePlan) -> list[int]:
    """Rows with a label, by task."""
    if plan.owners is not None:
        return [int(count) for count in np.bincount(plan.owners, minlength=len(plan.tasks))]
    return [int(count) for count in (~np.isnan(plan.targets)).sum(axis=0)]
