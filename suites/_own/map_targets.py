"""Maps in files as targets: read, checked and written one at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.api import Affine
from bench.errors import UsageError, make_printable
from suites._own.description import MAP_KINDS, OwnTask
from suites._own.pictures import average_valid, read_picture, resize_picture

if TYPE_CHECKING:
    from suites._own.image_options import ImageOptions

# Name of a folder -> the kind of map that it means; others are maps of real numbers.
MAP_FOLDERS = {
    **dict.fromkeys(("segmentation", "seg", "semantic", "label", "labels", "mask", "masks"), "segmentation"),
    **dict.fromkeys(("depth", "disparity"), "depth"),
    **dict.fromkeys(("normals", "normal"), "normals"),
}
MOST_CLASSES = 200


def plan_map(
    name: str, title: str, kind: str, files: Sequence[Path | None], size: tuple[int, int], options: "ImageOptions"
) -> OwnTask:
    """A task whose target is a map, after every file of it was read. Raises UsageError for maps that cannot be one."""
    if kind not in MAP_KINDS:
        raise UsageError(
            f"`--types` should give `{make_printable(title)}` one of {', '.join(MAP_KINDS)}. Found `{kind}`."
        )
    scale, ignore = options.scale.get(title, 1.0), options.ignore.get(title)
    least, most, valid, classes = np.inf, -np.inf, 0, set[int]()
    for path in files:
        if path is None:
            continue
        target = _read_map(path, kind, scale, ignore, size, options.size is not None)
        there = _find_valid(target, kind)
        if not there.any():
            continue
        values = target[:, there] if kind == "normals" else target[there]
        valid += int(there.sum())
        least, most = min(least, float(values.min())), max(most, float(values.max()))
        if kind == "segmentation":
            classes.update(np.unique(values).tolist())
    shown = make_printable(title)
    if not valid:
        raise UsageError(f"The maps of `{shown}` should have a pixel with a label. Found none; is `--ignore` right?")
    if least == most:
        raise UsageError(f"The maps of `{shown}` should vary. Found {least:g} in every pixel; leave the task out.")
    details: dict[str, object] = {"size": list(size), "partly": True, "scale": scale, "ignore": ignore}
    if kind == "segmentation":
        count = int(most) + 1
        if count > MOST_CLASSES or len(classes) < count:
            absent = next(c for c in range(count + 1) if c not in classes)
            raise UsageError(
                f"Classes of `{shown}` should be 0 to K - 1, each in some map. Found {sorted(classes)[:12]}, without "
                f"{absent}; number them anew, or give the number of unlabelled pixels, as in "
                f"`--ignore {shown}={int(most)}`."
            )
        details["classes"] = count
    return OwnTask.model_validate({"name": name, "title": title, "kind": kind, "details": details})


def write_map_target(
    path: Path, task: OwnTask, files: Sequence[Path | None], train: int, options: "ImageOptions"
) -> tuple[np.ndarray, Affine | None]:
    """Write the maps in order; (which images have a label, the unit of a real map over the first `train`)."""
    rows, columns = task.details["size"]
    scale, ignore = task.details["scale"], task.details["ignore"]
    shape = {"segmentation": (rows, columns), "normals": (3, rows, columns)}.get(task.kind, (1, rows, columns))
    # Classes as whole numbers of 16 bits would be read as int64 for every loss anyway.
    dtype, empty = (np.int64, -1) if task.kind == "segmentation" else (np.float32, np.nan)
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(len(files), *shape))
    labelled = np.zeros(len(files), dtype=bool)
    sums = np.zeros(3)
    for row, file in enumerate(files):
        stored[row] = empty
        if file is None:
            continue
        target = _read_map(file, task.kind, scale, ignore, (rows, columns), options.size is not None)
        stored[row] = target
        there = _find_valid(target, task.kind)
        labelled[row] = there.any()
        if task.kind == "map" and row < train:
            values = target[there].astype(np.float64)
            sums += [len(values), values.sum(), np.square(values).sum()]
    unit = None
    if task.kind == "map" and sums[0]:
        mean = sums[1] / sums[0]
        deviation = float(np.sqrt(max(sums[2] / sums[0] - mean**2, 0)))
        unit = Affine(float(mean), deviation if deviation > 0 else 1.0)
        for row in range(len(files)):
            stored[row] = (stored[row] - unit.shift) / unit.scale
    stored.flush()
    return labelled, unit


def _find_valid(target: np.ndarray, kind: str) -> np.ndarray:
    """Pixels with a label, in the shape of the target, of normals (rows, columns)."""
    found: np.ndarray
    if kind == "segmentation":
        found = target >= 0
    elif kind == "normals":
        found = (target != 0).any(axis=0)
    else:
        found = target > 0 if kind == "depth" else ~np.isnan(target)
    return found


def _read_map(
    path: Path, kind: str, scale: float, ignore: int | None, size: tuple[int, int], resize: bool
) -> np.ndarray:
    """A file as a target: classes (rows, columns), depth or numbers (1, rows, columns), normals (3, rows, columns)."""
    values, shown = read_picture(path), make_printable(str(path))
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    wanted = 3 if kind == "normals" else 2
    if values.ndim != wanted or (wanted == 3 and values.shape[2] != 3) or values.dtype.kind not in "uifb":
        what = "(rows, columns, 3)" if wanted == 3 else "(rows, columns)"
        raise UsageError(f"`{shown}` should hold {what} numbers for {kind}. Found {values.dtype} of {values.shape}.")
    other = values.shape[:2] != size
    if other and not resize:
        raise UsageError(
            f"`{shown}` should have the size of the images, {size[0]}x{size[1]}. Found {values.shape[0]}x"
            f"{values.shape[1]}; bring all to one, as with `--size {size[0]}x{size[1]}`."
        )
    if kind == "segmentation":
        if values.dtype.kind == "f" and not (values == np.round(values)).all():
            raise UsageError(f"`{shown}` should hold classes as whole numbers. Found {values.dtype}.")
        values = resize_picture(values, size, smooth=False)  # there is no mean of two classes
        return np.where((values < 0) | (values == ignore), -1, values.astype(np.int64))
    if kind == "normals":
        vectors, valid = _read_vectors(values)
        if other:
            vectors = _normalise(*average_valid(vectors, valid, size))[0]
        return vectors.transpose(2, 0, 1)
    numbers = values.astype(np.float32) * np.float32(scale)
    valid = np.isfinite(numbers) & (values != ignore) & ((numbers > 0) | (kind != "depth"))
    if other:
        numbers, valid = average_valid(numbers, valid, size)
    return np.where(valid, numbers, np.float32(0.0 if kind == "depth" else np.nan))[None]


def _read_vectors(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(vectors of length 1 (rows, columns, 3), where they are valid) of stored ones; of bytes, (n + 1) / 2 * 255."""
    coded = values.dtype == np.uint8
    vectors = values.astype(np.float32)
    if coded:
        vectors = np.where((values == 0).all(axis=2, keepdims=True), 0, vectors / 127.5 - 1)
    return _normalise(vectors, np.ones(values.shape[:2], dtype=bool), 0.1 if coded else 1e-6)  # bytes round to 0.004


def _normalise(vectors: np.ndarray, valid: np.ndarray, least: float = 1e-6) -> tuple[np.ndarray, np.ndarray]:
    """(vectors (rows, columns, 3) at length 1, where there are such); 0 where none is valid and longer than `least`."""
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    good = valid[:, :, None] & np.isfinite(length) & (length > least)
    return np.where(good, vectors / np.where(good, length, 1), 0).astype(np.float32), good[:, :, 0]
