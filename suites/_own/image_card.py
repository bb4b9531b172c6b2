"""The card of imported images: a page for people, beside the arrays."""

from collections.abc import Callable, Sequence

from bench.errors import count_nouns
from suites._own.card import list_remarks, quote_cell
from suites._own.description import OwnDescription


def write_image_card(own: OwnDescription, count: Callable[[str], int], warnings: Sequence[str]) -> str:
    """The text of README.md: images, tasks with their labels, splits, training, and what to look at.

    count: task -> images with a label.
    """
    channels, rows, columns = own.input_shape
    images = sum(own.rows.values())
    lines = [
        f"# {own.name}",
        "",
        f"Imported from {quote_cell(str(own.provenance['folder']))} on {own.provenance.get('imported')}: "
        f"{count_nouns(images, 'image')} of {rows}x{columns} with {count_nouns(channels, 'channel')}, "
        f"{count_nouns(len(own.tasks), 'task')}.",
        "",
        f"    mtlbench run {own.name} single_task hard",
        f"    mtlbench table {own.name}",
        "",
        "| task | from | kind | levels | images with labels |",
        "| :-- | :-- | :-- | :-- | --: |",
        *(
            f"| {task.name} | {quote_cell(task.title)} | {task.kind} | {quote_cell(', '.join(task.levels))} "
            f"| {count(task.name):,} |"
            for task in own.tasks
        ),
        "",
        f"{', '.join(f'{n:,} {split}' for split, n in own.rows.items())} images: {own.protocol['split_rule']}. "
        "Images are stored as bytes; mean and deviation of each channel, and units of targets, are those of the "
        "training images.",
        "",
        f"`{own.backbone}` by default; `mtlbench protocol {own.name}` has how it is trained.",
        "",
        *list_remarks(warnings),
        "`set.json` has the SHA-256 of every file.",
        "",
    ]
    return "\n".join(lines)
