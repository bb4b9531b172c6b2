"""`mtlbench data import FOLDER`: images of the user's own, with a table of labels or with folders of maps."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.import_words import (
    PlannedImport,
    note_seed,
    read_separator,
    read_shares,
    refuse_options,
    split_list,
)
from bench.errors import UsageError, count_nouns, make_printable

if TYPE_CHECKING:
    from suites._own.image_options import ImageOptions
    from suites._own.image_plan import ImagePlan

SAVED = ("state.json", "dataset_info.json", "dataset_dict.json")  # in a folder of Hugging Face's `datasets`
OF_TABLES = ("task_column", "time", "features", "drop")
OF_LABELS = ("file_column", "missing", "separator")
OF_MAPS = ("scale", "ignore")


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that a folder of images alone takes."""
    group = parser.add_argument_group("import of a folder of images (--size brings them to one size)")
    group.add_argument("--labels", metavar="FILE", help="a table with a row for each image")
    group.add_argument("--file-column", metavar="COLUMN", help="of that table, with names of files (default: found)")
    group.add_argument("--maps", action="store_true", help="FOLDER has `image` and a folder of maps for each task")
    group.add_argument("--scale", metavar="TASK=X,...", help="factor on stored numbers, as in depth=0.001")
    group.add_argument("--ignore", metavar="TASK=N,...", help="number without a label, as in segmentation=255")


def holds_images(path: Path) -> bool:
    """Whether `path` is a folder that is to be read as one of images."""
    return path.is_dir() and not any((path / name).exists() for name in SAVED)


def plan_image_import(arguments: argparse.Namespace, folder: Path, name: str) -> PlannedImport:
    """Read a folder and decide what becomes of it. Raises UsageError where it cannot be imported as it is."""
    from suites._own.image_import import import_images
    from suites._own.image_plan import plan_labelled, plan_maps
    from suites._own.reading import read_table

    if bool(arguments.labels) == arguments.maps:
        raise UsageError(
            "A folder of images should come with `--labels FILE`, a table with a row for each image, or with `--maps`, "
            f"where each task has a folder of maps. Found {'both' if arguments.maps else 'neither'}."
        )
    refuse_options(arguments, OF_TABLES, "tables", "a folder of images")
    chosen = _read_image_options(arguments)
    if arguments.maps:
        refuse_options(arguments, OF_LABELS, "tables of labels", "maps")
        plan = plan_maps(folder, chosen)
    else:
        refuse_options(arguments, OF_MAPS, "maps", "a table of labels")
        table = Path(arguments.labels).expanduser()
        missing, separator = split_list(arguments.missing or ""), read_separator(arguments.separator)
        plan = plan_labelled(folder, read_table(table, missing, separator), chosen)
    plan.warnings += note_seed(arguments, plan.seeded, plan.rule)
    answer = {
        "name": name,
        "images": len(plan.files),
        "size": list(plan.size),
        "channels": plan.channels,
        "tasks": [task.model_dump(mode="json") for task in plan.tasks],
        "splits": {split: len(rows) for split, rows in plan.parts.items()},
        "split_rule": plan.rule,
        "warnings": plan.warnings,
    }
    return PlannedImport(
        answer,
        lambda: _print_images(plan),
        lambda root, replace: import_images(plan, name, folder.name, chosen, root, replace),
    )


def _print_images(plan: "ImagePlan") -> None:
    """Print tasks, splits and warnings for people."""
    lines = [
        f"{count_nouns(len(plan.files), 'image')} of {plan.size[0]}x{plan.size[1]} with "
        f"{count_nouns(plan.channels, 'channel')}",
        "",
    ]
    for task in plan.tasks:
        levels = task.levels or ([f"{task.details['classes']} classes"] if "classes" in task.details else [])
        shown = ", ".join(levels[:6]) + (", ..." if len(levels) > 6 else "")
        lines.append(f"{task.title:16} {task.kind:13} {plan.count_labelled(task.name):>7,} labelled  {shown}".rstrip())
    parts = ", ".join(f"{len(rows):,} {split}" for split, rows in plan.parts.items())
    lines += ["", f"{parts}: {plan.rule}", *(f"note: {warning}" for warning in plan.warnings)]
    print("\n".join(map(make_printable, lines)))


def _read_image_options(arguments: argparse.Namespace) -> "ImageOptions":
    """What the command line says of the images."""
    from suites._own.image_options import ImageOptions

    return ImageOptions(
        targets=tuple(dict.fromkeys(split_list(arguments.targets or ""))),
        file_column=arguments.file_column,
        group=arguments.group,
        types=_read_pairs("--types", arguments.types, str),
        size=_read_size(arguments.size),
        scale=_read_pairs("--scale", arguments.scale, float),
        ignore=_read_pairs("--ignore", arguments.ignore, int),
        shares=read_shares(arguments.split),
        seed=arguments.split_seed or 0,
    )


def _read_pairs(option: str, text: str | None, read: Callable[[str], Any]) -> dict[str, Any]:
    """task -> value, from TASK=VALUE,... Raises UsageError for another text."""
    pairs = {}
    for pair in split_list(text or ""):
        name, equals, value = pair.rpartition("=")
        try:
            if not (name and equals):
                raise ValueError
            pairs[name] = read(value)
        except ValueError:
            what = {float: "a number", int: "a whole number"}.get(read, "a type")  # type: ignore[call-overload]
            raise UsageError(
                f"`{option}` should read task=value with {what}. Found `{make_printable(pair)}`."
            ) from None
    return pairs


def _read_size(text: str | None) -> tuple[int, int] | None:
    """Rows and columns. Raises UsageError for anything but two whole numbers above 0."""
    if text is None:
        return None
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise UsageError(f"`--size` should read ROWSxCOLUMNS, as 64x64. Found `{make_printable(text)}`.")
    return int(rows), int(columns)
