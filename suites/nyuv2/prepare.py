"""From a copy of NYUv2 to a prepared set: read, check, resample, write.

All checks of the copy as a whole come before the first row: its size, its scenes, the unit of its depth, the
axes of its normals. What they decided is in the header of the set, so that a run can tell two sets apart.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bench.api import DataMissing
from suites._shared.dense.camera import NYUV2, Size
from suites._shared.dense.normals import normals_from_depth, resample_normals
from suites._shared.dense.resample import resample_depth, resample_image, resample_nearest
from suites._shared.dense.sets import DenseSet
from suites._shared.dense.writer import SetWriter, pack_normals
from suites.nyuv2 import orientation
from suites.nyuv2.isolated import IsolatedSource
from suites.nyuv2.source import Item, Source
from suites.nyuv2.splits import check_scenes, official_images, validation_rows

EVERY = 2.0  # seconds between two sentences of progress
NEAREST_WALL = 1.0  # metres: no few images of NYUv2 all end before it
COARSE = 256  # distinct depths, at most, of an image that was stored in 8 bits
REPEATS = 16  # and pixels, at least, for each: a small image has few depths anyway
COARSE_WINDOW = 21 / 384  # of the width: steps of 4 cm need more pixels to average out


def convert_copy(
    folder: Path,
    source: Path,
    size: Size,
    *,
    measured: bool = False,
    open_copy: Callable[[Path], Source] = IsolatedSource,
) -> Iterator[str]:
    """Convert the copy at `source` to `folder`; yields what is done. An interrupted one goes on where it was.

    folder: of the prepared set, which appears when it is whole.
    source: file or folder of the copy, in any layout of `recognise`.
    size: rows and columns of the set; not above the copy's.
    measured: the copy should have normals of its own.
    open_copy: how a copy is opened; tests read in this process.

    Raises DataMissing, in one sentence, where the copy is not one of NYUv2 or is damaged.
    """
    with closing(open_copy(source)) as copy:
        yield from _prepare(folder, source, copy, size, measured)


def _prepare(folder: Path, source: Path, copy: Source, size: Size, measured: bool) -> Iterator[str]:
    """As `convert_copy`, of a copy that is open."""
    start = time.monotonic()
    if measured and not copy.has_normals:
        raise DataMissing(f"`{source}` has no normals of its own: leave `normals=measured` out, and they are derived.")
    counts = " and ".join(f"{copy.rows[split]} of {len(official_images(split))} {split}" for split in ("train", "test"))
    yield f"{copy.name} layout, {counts} images of {copy.size[0]}x{copy.size[1]}"
    # A partial copy needs rows on all three sides, or nothing can be trained and told.
    held = len(validation_rows(copy.rows["train"]))
    if not held or held == copy.rows["train"] or not copy.rows["test"]:
        raise DataMissing(
            f"`{source}` should hold training images enough for a validation split, and one test image or more. "
            f"Found {copy.rows['train']} and {copy.rows['test']}."
        )
    if size[0] > copy.size[0] or size[1] > copy.size[1]:
        raise DataMissing(
            f"The images of `{source}` are {copy.size[0]}x{copy.size[1]}: too small for {size[0]}x{size[1]}."
        )
    scenes = {split: copy.scenes(split) for split in ("train", "test")}
    if scenes["train"] is not None and scenes["test"] is not None:
        yield check_scenes(scenes["train"], scenes["test"])
    _check_unit(copy, source)
    signs = None
    if copy.has_normals:
        signs, sentence = orientation.find_signs(copy)
        yield sentence
    window = None if copy.has_normals else _choose_window(copy)
    header = {
        "source": copy.name,
        "normals": "measured" if copy.has_normals else "pseudo",
        "fingerprint": copy.fingerprint,
        "camera": asdict(NYUV2.resize(size)) | {"size": list(size)},
        "window": window,
        "signs": None if signs is None else signs.tolist(),
    }
    if _is_ready(folder, size, copy.rows, header):
        yield f"ready already in `{folder}`"
        return
    with SetWriter(folder, size, copy.rows, header) as writer:
        yield from _convert(writer, copy, size, signs, window)
        made = writer.finish()
    yield _summarise(made, time.monotonic() - start)


def resample_item(item: Item, size: Size, signs: np.ndarray | None, window: int | None) -> dict[str, np.ndarray]:
    """The four fields of a prepared row, as `sets.FIELDS` has them.

    item: one image at the source's size.
    size: of the set.
    signs: of the axes of measured normals, None where they are derived.
    window: of derived normals, None for the default.

    Normals are made at the source's size, from all the depth there is, then averaged; labels and depth are
    picked.
    """
    if item.normal is None:
        normal = normals_from_depth(item.depth, NYUV2.resize(item.depth.shape[:2]), window)  # type: ignore[arg-type]
    else:
        normal = item.normal * (1.0 if signs is None else signs)
    return {
        "image": resample_image(item.image, size),
        "label": resample_nearest(item.label, size),
        "depth": resample_depth(item.depth, size),
        "normal": pack_normals(resample_normals(normal, size)),
    }


def _convert(
    writer: SetWriter, copy: Source, size: Size, signs: np.ndarray | None, window: int | None
) -> Iterator[str]:
    """Write what is missing, row by row; says every few seconds how long the rest will take."""
    todo, total = writer.missing_rows(), sum(copy.rows.values())
    if len(todo) < total:
        yield f"going on after {total - len(todo)} images"
    began = said = time.monotonic()
    for done, (split, row) in enumerate(todo, start=1):
        writer.put(split, row, resample_item(copy.read(split, row), size, signs, window))
        now = time.monotonic()
        if now - said >= EVERY and done < len(todo):
            said = now
            left = round((now - began) / done * (len(todo) - done))
            yield f"{total - len(todo) + done} of {total} images, {left // 60}:{left % 60:02d} left"


def _sample_items(copy: Source, count: int) -> list[Item]:
    """`count` images from all over the training split, or of the test split where there is no other."""
    split = "train" if copy.rows["train"] else "test"
    return [copy.read(split, row) for row in sorted({int(r) for r in np.linspace(0, copy.rows[split] - 1, count)})]


def _check_unit(copy: Source, source: Path) -> None:
    """Depth that was scaled to [0, 1], or is in another unit, would be learned without a word. Raises DataMissing."""
    items = _sample_items(copy, 8)
    farthest = max(float(item.depth.max()) for item in items)
    if 0 < farthest <= NEAREST_WALL:
        raise DataMissing(
            f"The depth of `{source}` should be in metres, and rooms are several metres deep. Found none beyond "
            f"{farthest:.3g} in {len(items)} images; were they scaled, or stored in another unit?"
        )


def _choose_window(copy: Source) -> int | None:
    """Side in pixels of the window for depth of few distinct values; None is the default of `normals_from_depth`."""
    most = min(COARSE, copy.size[0] * copy.size[1] // REPEATS)
    coarse = all(len(np.unique(item.depth)) <= most for item in _sample_items(copy, 3))
    return max(5, 2 * round((COARSE_WINDOW * copy.size[1] - 1) / 2) + 1) if coarse else None


def _is_ready(folder: Path, size: Size, rows: dict[str, int], header: dict[str, object]) -> bool:
    """Whether a whole set of the same source, size and choices is there, with the bytes that its header names."""
    try:
        known = DenseSet(folder)
        same = {key: known.header.get(key) for key in header} == header
        return same and known.size == size and known.rows == rows and not known.damaged_arrays()
    except (DataMissing, KeyError):
        return False


def _summarise(made: DenseSet, seconds: float) -> str:
    """One sentence about a set: its source, rows, normals, and which share of its pixels has no truth."""
    invalid = {"label": 0.0, "depth": 0.0, "normal": 0.0}
    for split in made.rows:
        for label, depth, normal in zip(*(made.array(split, part) for part in invalid), strict=True):
            invalid["label"] += float((label < 0).mean())
            invalid["depth"] += float((depth <= 0).mean())
            invalid["normal"] += float((~normal.any(axis=-1)).mean())
    total = sum(made.rows.values())
    partial = any(count < len(official_images(split)) for split, count in made.rows.items())
    window = made.header["window"]
    derived = f"pseudo (derived from depth{f' of 8 bits, window {window}' if window else ''})"
    return (
        f"{made.header['source']}: {made.rows['train']} train and {made.rows['test']} test images of "
        f"{made.size[0]}x{made.size[1]}{', a partial copy' if partial else ''}; "
        f"normals {derived if made.header['normals'] == 'pseudo' else 'measured'}; "
        f"invalid: {', '.join(f'{part} {share / total:.1%}' for part, share in invalid.items())}; {seconds:.0f} s"
    )
