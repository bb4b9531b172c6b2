"""`mtlbench data import FOLDER`: images of the user's own, with a table of labels or with folders of maps."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import options
from bench.cli.import_words import read_shares, split_list
from bench.errors import UsageError, make_printable

if TYPE_CHECKING:
    from suites._own.image_import import ImagePlan
    from suites._own.image_options import ImageOptions

SAVED = ("state.json", "dataset_info.json", "dataset_dict.json")  # in a folder of Hugging Face's `datasets`


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


def run_image_import(arguments: argparse.Namespace, name: str, root: Path) -> int:
    """Read a folder, show what was found, and write it to the data folder unless --dry-run is given. Returns 0.

    Raises UsageError where it cannot be imported as it is.
    """
    from suites._own.image_import import import_images, plan_labelled, plan_maps
    from suites._own.reading import read_table

    folder = Path(arguments.suite).expanduser()
    if bool(arguments.labels) == arguments.maps:
        raise UsageError(
            "A folder of images should come with `--labels FILE`, a table with a row for each image, or with `--maps`, "
            f"where each task has a folder of maps. Found {'both' if arguments.maps else 'neither'}."
        )
    for option in ("task_column", "time", "features", "drop"):
        if getattr(arguments, option):
            raise UsageError(f"`--{option.replace('_', '-')}` is for tables, and has no effect on a folder of images.")
    chosen = _read_image_options(arguments)
    if arguments.maps:
        plan = plan_maps(folder, chosen)
    else:
        plan = plan_labelled(folder, read_table(Path(arguments.labels).expanduser()), chosen)
    written = None
    if not arguments.dry_run:
        written = import_images(plan, name, {"folder": folder.name}, chosen, root, arguments.replace)
    answer = {
        "name": name,
        "images": len(plan.files),
        "size": list(plan.size),
        "channels": plan.channels,
        "tasks": [task.model_dump(mode="json") for task in plan.tasks],
        "splits": {split: len(rows) for split, rows in plan.parts.items()},
        "split_rule": plan.rule,
        "warnings": plan.warnings,
        "folder": str(written) if written else None,
    }
    if arguments.json:
        print(json.dumps(answer, indent=1))
    else:
        _print_images(answer, plan, options.repeat_places(arguments))
    return 0


def _print_images(answer: dict[str, Any], plan: "ImagePlan", places: str) -> None:
    """Print tasks, splits and warnings for people."""
    lines = [f"{len(plan.files):,} images of {plan.size[0]}x{plan.size[1]} with {plan.channels} channels", ""]
    for task in plan.tasks:
        levels = task.levels or ([f"{task.details['classes']} classes"] if "classes" in task.details else [])
        shown = ", ".join(levels[:6]) + (", ..." if len(levels) > 6 else "")
        lines.append(f"{task.title:16} {task.kind:13} {plan.count_labelled(task.name):>7,} labelled  {shown}".rstrip())
    parts = ", ".join(f"{rows:,} {split}" for split, rows in answer["splits"].items())
    lines += ["", f"{parts}: {plan.rule}", *(f"note: {warning}" for warning in plan.warnings), ""]
    if answer["folder"]:
        lines += [f"imported into {answer['folder']}", f"next: mtlbench run {answer['name']} single_task hard{places}"]
    else:
        lines.append("nothing was written (--dry-run)")
    print("\n".join(map(make_printable, lines)))


def _read_image_options(arguments: argparse.Namespace) -> "ImageOptions":
    """What the command line says of the images."""
    from suites._own.image_options import ImageOptions
    from suites._own.table_import import SHARES

    return ImageOptions(
        targets=tuple(dict.fromkeys(split_list(arguments.targets or ""))),
        file_column=arguments.file_column,
        group=arguments.group,
        types=_read_pairs("--types", arguments.types, str),
        size=_read_size(arguments.size),
        scale=_read_pairs("--scale", arguments.scale, float),
        ignore=_read_pairs("--ignore", arguments.ignore, int),
        shares=read_shares(arguments.split) if arguments.split else SHARES,
        seed=arguments.split_seed,
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
