"""The official file `nyu_depth_v2_labeled.mat`: MATLAB 7.3, that is HDF5, with the axes reversed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from bench.api import DataMissing
from suites.nyuv2.source import Item, Source, as_depth, fingerprint
from suites.nyuv2.splits import official

FILE = "nyu_depth_v2_labeled.mat"
MAPPING = "classMapping40.mat"
# Class of 13 for each of the 40 of Gupta et al. (CVPR 2013), both from 1; 0 is unlabelled. Couprie et al., ICLR 2013.
TO_13 = (
    0, 12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5,
    7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
)  # fmt: skip


class MatFile(Source):
    """`images` (n, 3, columns, rows), `labels` and `depths` (n, columns, rows), read one image at a time."""

    name = "official"
    has_normals = False

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._told():
            self._file = h5py.File(path, "r")
        images, labels, depths = (self._array(key) for key in ("images", "labels", "depths"))
        count, channels, columns, rows = images.shape if images.ndim == 4 else (0, 0, 0, 0)
        if channels != 3 or not count:
            raise DataMissing(
                f"`images` of `{path}` should have the shape (n, 3, columns, rows). Found {images.shape}."
            )
        for key, array, kinds in (("images", images, "u"), ("labels", labels, "ui"), ("depths", depths, "f")):
            if array.dtype.kind not in kinds:
                what = "floating-point numbers" if kinds == "f" else "whole numbers"
                raise DataMissing(f"`{key}` of `{path}` should hold {what}. Found the type {array.dtype}.")
        for key, array in (("labels", labels), ("depths", depths)):
            if array.shape != (count, columns, rows):
                raise DataMissing(
                    f"`{key}` of `{path}` should have the shape {(count, columns, rows)}. Found {array.shape}."
                )
        self.size = (rows, columns)
        self._images = {split: official(split)[official(split) < count] for split in ("train", "test")}
        self.rows = {split: len(found) for split, found in self._images.items()}
        self._to_13 = _to_13(path.with_name(MAPPING))
        _check_split(path.with_name("splits.mat"))
        self.fingerprint = fingerprint(self.name, path.parent, [path, path.with_name(MAPPING)])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of h5py as one sentence."""
        try:
            yield
        except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise DataMissing(
                f"`{self.path}` cannot be read as MATLAB 7.3, that is HDF5 ({error}); is the download whole?"
            ) from error

    def _array(self, key: str) -> h5py.Dataset:
        with self._told():
            if not isinstance(self._file.get(key), h5py.Dataset):
                raise DataMissing(f"`{self.path}` should hold the array `{key}`.")
            return self._file[key]

    def read(self, split: str, row: int) -> Item:
        image = int(self._images[split][row])
        where = f"image {image} of `{self.path}`"
        with self._told():
            rgb, label, depth = (np.asarray(self._array(key)[image]) for key in ("images", "labels", "depths"))
        if rgb.dtype != np.uint8:
            raise DataMissing(f"`images` of `{self.path}` should hold bytes. Found the type {rgb.dtype}.")
        if label.min() < 0 or label.max() >= len(self._to_13):
            worst = label.min() if label.min() < 0 else label.max()
            raise DataMissing(f"`labels`, {where}, should lie in 0..{len(self._to_13) - 1}. Found {worst}.")
        return Item(
            np.ascontiguousarray(rgb.transpose(2, 1, 0)),
            np.ascontiguousarray(self._to_13[label.T]),
            as_depth(np.ascontiguousarray(depth.T), f"`depths`, {where},"),
        )

    def scenes(self, split: str) -> list[str] | None:
        if "scenes" not in self._file:
            return None
        with self._told():
            references = np.asarray(self._file["scenes"]).reshape(-1)
            if len(references) <= max((int(found[-1]) for found in self._images.values() if len(found)), default=0):
                raise DataMissing(f"`scenes` of `{self.path}` should name every image. Found {len(references)} names.")
            if references.dtype != h5py.ref_dtype:
                raise DataMissing(f"`scenes` of `{self.path}` should hold references to names.")
            return [_text(self._file[references[image]]) for image in self._images[split]]


def _text(characters: h5py.Dataset) -> str:
    return "".join(chr(code) for code in np.asarray(characters).reshape(-1))


def _load(path: Path, key: str) -> np.ndarray:
    try:
        found: np.ndarray = scipy.io.loadmat(path)[key].reshape(-1)
    except Exception as error:  # a file of another kind may break any line of its reader
        raise DataMissing(f"`{path}` should be a MATLAB file with the array `{key}`.") from error
    if found.dtype.kind not in "uif" or not np.isfinite(found).all():
        raise DataMissing(f"`{key}` of `{path}` should hold numbers. Found the type {found.dtype}.")
    return found


def _to_13(path: Path) -> np.ndarray:
    """label 0..894 -> 0..12, or -1 where unlabelled: int8."""
    if not path.is_file():
        raise DataMissing(
            f"`{path}` is missing: the table `mapClass` from 894 to 40 classes is not part of the official file; "
            f"it comes with the `metadata` of S. Gupta's `rcnn-depth` (eccv14-data) and belongs beside the .mat file."
        )
    to_40 = _load(path, "mapClass").astype(np.int64)
    if to_40.size < 894 or to_40.min() < 0 or to_40.max() > 40:
        raise DataMissing(
            f"`mapClass` of `{path}` should give each of 894 classes one of 40. Found {to_40.size} entries."
        )
    table: np.ndarray = (np.array(TO_13)[np.concatenate([[0], to_40])] - 1).astype(np.int8)
    return table


def _check_split(path: Path) -> None:
    """The official indices ship with the code; a `splits.mat` beside the file should agree with them."""
    if not path.is_file():
        return
    for split in ("train", "test"):
        if not np.array_equal(np.sort(_load(path, f"{split}Ndxs")) - 1, official(split)):
            raise DataMissing(
                f"`{split}Ndxs` of `{path}` should be the official {len(official(split))} images, from 1."
            )
