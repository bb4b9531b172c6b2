"""The card of an imported table: a page for people, beside its arrays."""

import numpy as np

from bench.errors import make_printable
from suites._own.description import OwnDescription
from suites._own.table_plan import TablePlan


def write_card(description: OwnDescription, plan: TablePlan) -> str:
    """The text of README.md: rows, columns, tasks with their labels, splits, training, and what to look at."""
    own, protocol = description, description.protocol
    source = own.provenance.get("file") or "Python"
    lines = [
        f"# {own.name}",
        "",
        f"Imported from {_quote(str(source))} on {own.provenance.get('imported')}: {plan.rows:,} rows, "
        f"{len(plan.features)} features, {len(own.tasks)} tasks"
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
            f"| {task.name} | {_quote(task.title)} | {task.kind} | {_quote(', '.join(task.levels))} | {labels:,} |"
            for task, labels in zip(own.tasks, _count_labels(plan), strict=True)
        ),
        "",
        "## Columns",
        "",
        "| column | role | type | missing | distinct | range |",
        "| :-- | :-- | :-- | --: | --: | :-- |",
        *(
            f"| {_quote(c.name)} | {c.role} | {c.kind} | {c.missing:,} | {c.distinct:,} | {_quote(c.range)} |"
            for c in plan.columns
        ),
        "",
        "## Splits and training",
        "",
        f"{', '.join(f'{rows:,} {split}' for split, rows in own.rows.items())} rows: {protocol['split_rule']}. "
        "Encoders of features and units of targets are found in the training rows.",
        "",
        f"{protocol['optimiser']} at {protocol['lr']}, batches of {protocol['batch_size']}, {protocol['epochs']} "
        f"epochs of {protocol['steps_per_epoch']} updates, `{own.backbone}`; `mtlbench protocol {own.name}` has all "
        "of it.",
        "",
        *(["## Look at", "", *(f"- {warning}" for warning in plan.warnings), ""] if plan.warnings else []),
        "`set.json` has the SHA-256 of every file.",
        "",
    ]
    return "\n".join(lines)


def _quote(text: str) -> str:
    """`text` as a cell of a Markdown table."""
    return make_printable(text, 200).replace("|", "\\|").replace("<", "&lt;")


def _count_labels(plan: TablePlan) -> list[int]:
    """Rows with a label, by task."""
    if plan.owners is not None:
        return [int(count) for count in np.bincount(plan.owners, minlength=len(plan.tasks))]
    return [int(count) for count in (~np.isnan(plan.targets)).sum(axis=0)]
