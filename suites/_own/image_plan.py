"""From a folder of images, with a table of labels or folders of maps, to what will be stored; nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.errors import UsageError, count_nouns, hint, make_printable
from suites._own.column_types import (
    check_target,
    find_target_kind,
    note_rounding,
    read_column,
    read_target_labels,
)
from suites._own.description import OwnTask, make_safe_name
from suites._own.division import RowsBySplit, divide, divide_by_group, find_lack, take_parts
from suites._own.image_options import ImageOptions
from suites._own.map_targets import MAP_FOLDERS, plan_map
from suites._own.pictures import convert_to_image, list_pictures, read_picture
from suites._own.raw_table import RawTable
from suites._own.reading import PARTS
from suites._own.table_options import TableOptions, settle_types


@dataclass
class ImagePlan:
    """A folder of images as it will be stored.

    files: of the images, in an order of their own. size: rows and columns of all of them.
    tasks: with `labels`, task -> float64 (n,) with NaN where missing; or with `maps`, task -> a file or None for each
        image.
    parts: split -> indices of images. rule: how they were divided, in words. seeded: whether the seed decides about it.
    """

    files: list[Path]
    size: tuple[int, int]
    channels: int
    tasks: list[OwnTask]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    maps: dict[str, list[Path | None]] = field(default_factory=dict)
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    rule: str = ""
    seeded: bool = True
    warnings: list[str] = field(default_factory=list)

    def count_labelled(self, task: str) -> int:
        """Images with a label or a map of a task."""
        if task in self.labels:
            return int((~np.isnan(self.labels[task])).sum())
        return sum(path is not None for path in self.maps[task])


def plan_labelled(folder: Path, table: RawTable, options: ImageOptions) -> ImagePlan:
    """Images of `folder` with the labels of a table that has a row for each. Raises UsageError, in one sentence."""
    files = _list_images(folder)
    column, order = _match_files(folder, files, table, options.file_column)
    table = replace(table, frame=table.frame[order])
    for name in (*options.targets, *([options.group] if options.group not in (None, "prefix") else [])):
        if name not in table.frame.columns:
            raise UsageError(
                f"`--targets` and `--group` should name columns of the table; there is no `{make_printable(name)}`, "
                f"{hint(name, table.frame.columns, 'head -1 FILE')}."
            )
    if not options.targets:
        others = ", ".join(f"`{make_printable(name)}`" for name in table.frame.columns if name != column)
        raise UsageError(f"`--targets` should name what is predicted. The columns are {others}.")
    types = settle_types(TableOptions(options.targets, types=options.types)).types
    plan = ImagePlan(files, *_measure_images(files, options.size), [], warnings=list(table.notes))
    for name in options.targets:
        kind = types.get(name)
        values = read_column(table.frame[name], kind, name_type="class")
        plan.warnings += note_rounding(values, "class")
        kind = kind or find_target_kind(values)
        labels, levels = read_target_labels(values, kind)
        check_target(values, kind, labels, levels)
        safe = make_safe_name(name, [task.name for task in plan.tasks])
        plan.tasks.append(OwnTask.model_validate({"name": safe, "title": name, "kind": kind, "levels": levels}))
        plan.labels[safe] = labels
    groups = None
    if options.group and options.group != "prefix":
        groups = np.unique(np.array(table.frame[options.group].cast(str).to_list()), return_inverse=True)[1]
    _divide_images(folder, plan, options, groups)
    return plan


def plan_maps(folder: Path, options: ImageOptions) -> ImagePlan:
    """Images of `folder/image` with maps in folders beside it, matched by name. Raises UsageError, in one sentence."""
    if options.group not in (None, "prefix"):
        raise UsageError(
            f"`--group` of maps should be `prefix`. Found `{make_printable(options.group)}`; leave it out."
        )
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = {path.name: path for path in inside}
    image = next((names[name] for name in ("image", "images", "rgb") if name in names), None)
    if image is None:
        raise UsageError(
            f"`{make_printable(str(folder))}` should have a folder `image` beside one for each task, as `depth`. Found "
            f"{', '.join(f'`{make_printable(name)}`' for name in names) or 'no folder'}."
        )
    tasks = [name for name in names if name != image.name]
    if unknown := [name for name in options.targets if name not in tasks]:
        raise UsageError(
            f"`--targets` should name folders of maps; there is no `{make_printable(unknown[0])}`, "
            f"{hint(unknown[0], tasks, 'ls')}."
        )
    for option, given in (("--scale", options.scale), ("--ignore", options.ignore), ("--types", options.types)):
        for name in given:
            if name not in tasks:
                raise UsageError(f"`{option}` should name folders of maps. Found `{make_printable(name)}`.")
    files = _list_images(image)
    stems = _index_stems(image, files)
    plan = ImagePlan(files, *_measure_images(files, options.size), [])
    for name in options.targets or tasks:
        found = _index_stems(names[name], list_pictures(names[name]))
        if alone := sorted(set(found) - set(stems)):
            raise UsageError(
                f"Every map should have an image. Found none in `{image.name}` for `{name}/{make_printable(alone[0])}`"
                + (f", and {len(alone) - 1} more" if len(alone) > 1 else "")
                + "; add the images, or remove the maps."
            )
        safe = make_safe_name(name, [task.name for task in plan.tasks])
        plan.maps[safe] = [found.get(stem) for stem in stems]
        if not found:
            raise UsageError(
                f"`{name}` should hold maps. Found none; remove the folder, or leave it out of `--targets`."
            )
        kind = options.types.get(name, MAP_FOLDERS.get(name, "map"))
        plan.tasks.append(plan_map(safe, name, kind, plan.maps[safe], plan.size, options))
        if missing := len(stems) - len(found):
            plan.warnings.append(
                f"`{name}` has no map of {count_nouns(missing, 'image')} of {len(stems)}: labels are missing there."
            )
    if not plan.tasks:
        raise UsageError(f"`{make_printable(str(folder))}` should have a folder of maps beside `{image.name}`.")
    _divide_images(image, plan, options, None)
    return plan


def _list_images(folder: Path) -> list[Path]:
    """All pictures of a folder. Raises UsageError where there are too few."""
    files = list_pictures(folder)
    if len(files) < 10:
        raise UsageError(
            f"`{make_printable(str(folder))}` should hold ten images or more, .png, .jpg or .npy. Found {len(files)}."
        )
    return files


def _measure_images(files: Sequence[Path], size: tuple[int, int] | None) -> tuple[tuple[int, int], int]:
    """(rows and columns, channels) of all images. Raises UsageError where sizes differ and none is given."""
    sizes: dict[tuple[int, int], Path] = {}
    channels = 1
    for path in files:
        image = convert_to_image(read_picture(path), path)
        sizes.setdefault((image.shape[0], image.shape[1]), path)
        channels = max(channels, image.shape[2])
    if size is None and len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        raise UsageError(
            f"All images should have one size. Found {first[0]}x{first[1]} (`{make_printable(one.name)}`) and "
            f"{second[0]}x{second[1]} (`{make_printable(other.name)}`); bring them to one, as with "
            f"`--size {first[0]}x{first[1]}`."
        )
    return size or next(iter(sizes)), channels


def _match_files(folder: Path, files: Sequence[Path], table: RawTable, wanted: str | None) -> tuple[str, list[int]]:
    """(the column with names of files, the row of each file). Raises UsageError where the two do not fit."""
    ways = [
        {path.relative_to(folder).as_posix(): n for n, path in enumerate(files)},
        {path.name: n for n, path in enumerate(files)},
        {path.stem: n for n, path in enumerate(files)},
    ]
    columns = [wanted] if wanted else table.frame.columns
    if wanted and wanted not in table.frame.columns:
        raise UsageError(f"`--file-column` should name a column of the table. Found `{make_printable(wanted)}`.")
    best: tuple[int, str, dict[str, int], list[str]] = (0, "", {}, [])
    for column in columns:
        names = ["" if value is None else str(value) for value in table.frame[column].to_list()]
        for way in ways:
            if len(way) == len(files) and (hits := sum(name in way for name in names)) > best[0]:
                best = (hits, column, way, names)
    hits, column, way, names = best
    if not hits:
        raise UsageError(
            "The table of labels should have a column with names of the files, as "
            f"`{make_printable(files[0].relative_to(folder).as_posix())}`. Found none; name it with `--file-column`."
        )
    if twice := sorted({name for name in names if names.count(name) > 1})[:1]:
        raise UsageError(
            f"Every image should have one row in the table. Found two or more of `{make_printable(twice[0])}`."
        )
    if absent := [name for name in names if name not in way]:
        raise UsageError(
            f"Every row of the table should have an image. Found none for `{make_printable(absent[0])}`"
            + (f", and {count_nouns(len(absent) - 1, 'more row')}" if len(absent) > 1 else "")
            + "; add the files, or leave the rows out."
        )
    rows = {way[name]: row for row, name in enumerate(names)}
    if alone := [path for n, path in enumerate(files) if n not in rows]:
        raise UsageError(
            f"Every image should have a row in the table. Found none for `{make_printable(alone[0].name)}`"
            + (f", and {count_nouns(len(alone) - 1, 'more image')}" if len(alone) > 1 else "")
            + "; add the rows, with empty labels where they are missing, or remove the files."
        )
    return column, [rows[n] for n in range(len(files))]


def _index_stems(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Path below `folder` without its suffix -> file. Raises UsageError where two files have one name."""
    stems: dict[str, Path] = {}
    for path in files:
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in stems:
            raise UsageError(
                f"Files should have names of their own. Found `{make_printable(stems[stem].name)}` and "
                f"`{make_printable(path.name)}` in `{make_printable(folder.name)}`; remove one."
            )
        stems[stem] = path
    return stems


def _divide_images(folder: Path, plan: ImagePlan, options: ImageOptions, groups: np.ndarray | None) -> None:
    """Divide the images of a plan: by folders `train`, `val` and `test` where they are, else at random."""
    tops = [PARTS.get(path.relative_to(folder).parts[0], "") for path in plan.files]
    percent = "/".join(f"{100 * share:g}" for share in options.shares)
    targets = np.stack([_list_targets(plan, task.name) for task in plan.tasks], axis=1)
    kinds = [task.kind if task.name in plan.labels else "map" for task in plan.tasks]
    titles = [task.title for task in plan.tasks]
    if options.group == "prefix":
        prefixes = [path.stem.replace("-", "_").partition("_")[0] for path in plan.files]
        groups = np.unique(prefixes, return_inverse=True)[1]

    def find(parts: RowsBySplit) -> str:
        return find_lack(targets, kinds, titles, parts)

    try:
        if all(tops) and {"train", "test"} <= set(tops):
            plan.parts = take_parts(np.array(tops), options.shares, options.seed)
            plan.rule, plan.seeded = "as the folders say", "val" not in tops
            if lack := find(plan.parts):
                raise ValueError(lack)
        elif groups is not None:
            plan.parts = divide_by_group(groups, options.shares, options.seed, find)
            what = "names that begin alike" if options.group == "prefix" else f"`{options.group}`"
            plan.rule = f"{percent} % at random, no {what} in two splits"
        else:
            plan.parts = divide(targets, kinds, titles, options.shares, options.seed)
            plan.rule = f"{percent} % at random, once"
    except ValueError as error:
        raise UsageError(
            f"Every split should have labels of every target. Found {make_printable(str(error))}, of {len(plan.files)} "
            "images; change `--split`, or leave the target out."
        ) from error


def _list_targets(plan: ImagePlan, task: str) -> np.ndarray:
    """Labels (n,) of a task; of maps 0 where there is one and NaN where there is none."""
    if task in plan.labels:
        return plan.labels[task]
    return np.array([np.nan if path is None else 0.0 for path in plan.maps[task]])
