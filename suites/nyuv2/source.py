"""What every form of NYUv2 is read as, and the checks that all of them share.

Each check names the file, what it should hold and the worst value that it holds: that is mostly enough to see
what went wrong when the copy was made.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.api import DataMissing
from bench.system.regular import open_regular
from suites._shared.dense.camera import Size

SAMPLE = 8  # files whose contents enter a fingerprint
HEAD = 1 << 20  # bytes read of each

FARTHEST = 100.0  # metres; NYUv2 ends at 10
MOST_PIXELS = 1 << 24  # of an image; NYUv2 has 480 x 640


@dataclass(frozen=True, eq=False)
class Item:
    """One image of a copy, at its own size.

    image: uint8 (rows, columns, 3), RGB.
    label: int8 (rows, columns), 0..12, -1 ignored.
    depth: float32 (rows, columns), metres, 0 invalid.
    normal: float32 (rows, columns, 3) as the source stores it, unit vectors or zero, or None.
    """

    image: np.ndarray
    label: np.ndarray
    depth: np.ndarray
    normal: np.ndarray | None = None


class Source(ABC):
    """A copy of NYUv2 on disk. Every error of reading is a DataMissing of one sentence.

    A source is open from its construction to `close`; images are read one by one, so a copy need not fit
    into memory.
    """

    name: str  # of the layout
    rows: dict[str, int]  # images of `train` and of `test`, in the official order from its start
    size: Size
    has_normals: bool
    fingerprint: str  # SHA-256 that tells this copy from another

    @abstractmethod
    def read(self, split: str, row: int) -> Item:
        """One image at its own size.

        split: `train` or `test`.
        row: its place in the split, from 0.
        """

    def scenes(self, split: str) -> list[str] | None:
        """The scene of every image of a split, where the copy says so; checked for scenes on two sides."""
        return None

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Give back what reading holds open."""


def fingerprint(layout: str, root: Path, files: Iterable[Path]) -> str:
    """SHA-256 of the layout, of names and sizes of all files, and of the beginnings of some.

    layout: the source's name.
    root: what names are relative to.
    files: all that are read.

    Not of all bytes: it only has to tell one copy from another. What is trained on is named by the checksums of
    the prepared arrays.
    """
    paths = sorted(files)
    state = hashlib.sha256(layout.encode())
    for path in paths:
        state.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode())
    for index in sorted({int(step) for step in np.linspace(0, len(paths) - 1, SAMPLE)}) if paths else []:
        with open_regular(paths[index]) as file:
            state.update(file.read(HEAD))
    return state.hexdigest()


def fit_shape(values: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    """`values` if it has the shape; a last or first axis of length 1 is dropped.

    values: as they were read.
    shape: what they should have.
    where: the file, for the sentence of the DataMissing that is raised otherwise.
    """
    if values.ndim == len(shape) + 1 and values.shape[-1] == 1:
        values = values[..., 0]
    elif values.ndim == len(shape) + 1 and values.shape[0] == 1:
        values = values[0]
    if values.shape != shape:
        raise DataMissing(f"{where} should have the shape {shape}. Found {values.shape}.")
    return values


def check_pixels(rows: int, columns: int, where: str) -> None:
    """DataMissing where an image is declared that no copy of NYUv2 has: few bytes can unpack to any number.

    rows, columns: as a header declares them.
    where: the file, for the sentence.
    """
    if rows * columns > MOST_PIXELS:
        raise DataMissing(f"{where} should have {MOST_PIXELS:,} pixels or fewer. Found {rows}x{columns}.")


def as_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels as int8, -1..12.

    values: of any number type, since copies store them as floats.
    where: the file, for the sentence of the DataMissing that is raised where one is no whole number of
        these.
    """
    if not np.isfinite(values).all() or values.min() < -1 or values.max() > 12 or (values != np.rint(values)).any():
        raise DataMissing(
            f"{where} should hold whole numbers from -1 (ignored) to 12. Found {_describe_worst(values, -1, 12)}."
        )
    return values.astype(np.int8)


def as_depth(values: np.ndarray, where: str) -> np.ndarray:
    """Depth in metres as float32, 0 where unknown.

    Raises DataMissing where one is NaN, negative, or farther than a room: millimetres, perhaps.
    """
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > FARTHEST:
        worst = _describe_worst(values, 0, FARTHEST)
        raise DataMissing(f"{where} should hold metres up to {FARTHEST:g}, 0 where unknown. Found {worst}.")
    return values.astype(np.float32)


def as_image(values: np.ndarray, where: str) -> np.ndarray:
    """An image as uint8: bytes as they are, other numbers from [0, 1]. Raises DataMissing outside of it."""
    if values.dtype == np.uint8:
        return values
    # Half precision and resampling leave [0, 1] by a hair.
    if not np.isfinite(values).all() or values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise DataMissing(f"{where} should hold numbers in [0, 1]. Found {_describe_worst(values, 0, 1)}.")
    rounded: np.ndarray = np.rint(np.clip(values, 0, 1).astype(np.float32) * 255).astype(np.uint8)
    return rounded


def as_units(values: np.ndarray, where: str) -> np.ndarray:
    """Normals (..., 3) as float32 unit vectors; what is far from unit length is invalid, the zero vector.

    Some copies store (n + 1) / 2, as numbers or bytes: their vectors have unit length only after 2 v - 1.
    Raises DataMissing where one is not finite.
    """
    if not np.isfinite(values).all():
        raise DataMissing(f"{where} should hold unit vectors, zero where unknown. Found a number that is not finite.")
    vectors = values.astype(np.float32)
    if values.dtype == np.uint8:
        vectors = vectors / np.float32(127.5) - 1
    elif (
        vectors.size and vectors.min() >= 0 and _share_of_unit_length(2 * vectors - 1) > _share_of_unit_length(vectors)
    ):
        vectors = 2 * vectors - 1
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    keep = (length > 0.5) & (length < 1.5)
    units: np.ndarray = np.divide(
        vectors, length, out=np.zeros_like(vectors), where=np.broadcast_to(keep, vectors.shape)
    )
    return units


def _share_of_unit_length(vectors: np.ndarray) -> float:
    """The share of vectors (..., 3) whose length is 1, within 2 %."""
    return float((np.abs(np.linalg.norm(vectors, axis=-1) - 1) < 0.02).mean())


def _describe_worst(values: np.ndarray, low: float, high: float) -> str:
    """The end of a sentence: how many numbers are not finite, else the first that is outside, or no whole number."""
    if not np.isfinite(values).all():
        return f"{int((~np.isfinite(values)).sum())} numbers that are not finite"
    outside = values[(values < low) | (values > high)]
    return f"{(outside if outside.size else values[values != np.rint(values)]).flat[0]:g}"


def check_folders(root: Path, folders: Iterable[Path]) -> Iterator[Path]:
    """The folders one by one, each of which should be there; DataMissing names the first that is not."""
    for folder in folders:
        if not folder.is_dir():
            raise DataMissing(f"`{root}` should hold the folder `{folder.relative_to(root).as_posix()}`.")
        yield folder
