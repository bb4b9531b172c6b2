"""The official file `nyu_depth_v2_labeled.mat`: MATLAB 7.3, that is HDF5, with the axes reversed.

MATLAB stores arrays by columns and HDF5 by rows, so h5py sees every shape backwards: `images` (480, 640, 3,
1449) in MATLAB is (1449, 3, 640, 480) here, and each image is transposed. `labels` are 0 for unlabelled and
1..894 for classes, uint16; `depths` are metres, in-painted; `scenes` is a cell array, that is references to
arrays of UTF-16 codes.

894 classes become 40 by `mapClass` of a file beside it (Gupta et al., CVPR 2013) and 13 by TO_13.

Source: Silberman, Hoiem, Kohli, Fergus, ECCV 2012, and the description on the data set's page.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from bench.api import DataMissing
from bench.system.regular import NotRegular, open_regular
from suites._shared.mat_file import describe_value, read_variables
from suites.nyuv2.source import Item, Source, as_depth, check_pixels, fingerprint
from suites.nyuv2.splits import official_images

# HDF5 unpacks a chunk whole, whatever part of it is asked for.
LARGEST_CHUNK = 1 << 28  # bytes that are unpacked at once
LONGEST_NAME = 1000  # characters
MOST_NAMES = 100_000
FILE = "nyu_depth_v2_labeled.mat"
MAPPING = "classMapping40.mat"
# Class of 13 for each of the 40 of Gupta et al. (CVPR 2013), both from 1; 0 is unlabelled. Couprie et al., ICLR 2013.
TO_13 = (
    0, 12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5,
    7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
)  # fmt: skip


class MatFile(Source):
    """`images` (n, 3, columns, rows), `labels` and `depths` (n, columns, rows), read one image at a time.

    path: the file; `classMapping40.mat` should lie beside it, and `splits.mat` may.
    """

    name = "official"
    has_normals = False

    def __init__(self, path: Path) -> None:
        """Open the file and check shapes, types and the tables beside it; no image is read.

        Raises DataMissing, in one sentence, for whatever is not as the official file has it.
        """
        self.path = path
        with self._explain_errors():
            open_regular(path).close()
            self._file = h5py.File(path, "r")
        images, labels, depths = (self._open_array(key) for key in ("images", "labels", "depths"))
        count, channels, columns, rows = images.shape if images.ndim == 4 else (0, 0, 0, 0)
        if channels != 3 or not count:
            raise DataMissing(
                f"`images` of `{path}` should have the shape (n, 3, columns, rows). Found {images.shape}."
            )
        check_pixels(rows, columns, f"`images` of `{path}`")
        for key, array, kinds in (("images", images, "u"), ("labels", labels, "ui"), ("depths", depths, "f")):
            if array.dtype.kind not in kinds:
                what = "floating-point numbers" if kinds == "f" else "whole numbers"
                raise DataMissing(f"`{key}` of `{path}` should hold {what}. Found the type {array.dtype}.")
        for key, array in (("labels", labels), ("depths", depths)):
            if array.shape != (count, columns, rows):
                raise DataMissing(
                    f"`{key}` of `{path}` should have the shape {(count, columns, rows)}. Found {array.shape}."
                )
        # A file with fewer images than the official one is a partial copy, in the official order.
        self.size = (rows, columns)
        self._images = {split: official_images(split)[official_images(split) < count] for split in ("train", "test")}
        self.rows = {split: len(images_of_split) for split, images_of_split in self._images.items()}
        self._to_13 = _to_13(path.with_name(MAPPING))
        _check_split(path.with_name("splits.mat"))
        self.fingerprint = fingerprint(self.name, path.parent, [path, path.with_name(MAPPING)])

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Errors of h5py as one sentence: which of them it raises depends on where a file is damaged."""
        try:
            yield
        except NotRegular as error:
            raise DataMissing(str(error)) from error
        except (OSError, KeyError, RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise DataMissing(
                f"`{self.path}` cannot be read as MATLAB 7.3, that is HDF5 ({error}); is the download whole?"
            ) from error

    def _open_array(self, key: str) -> h5py.Dataset:
        """The array `key`, not read yet. DataMissing where there is none, or one whose bytes lie elsewhere."""
        with self._explain_errors():
            link = self._file.get(key, getlink=True)
            # A soft or external link could name any HDF5 file of the machine.
            if link is not None and not isinstance(link, h5py.HardLink):
                raise DataMissing(f"`{key}` of `{self.path}` should lie in the file itself. Found a link.")
            if not isinstance(self._file.get(key), h5py.Dataset):
                raise DataMissing(f"`{self.path}` should hold the array `{key}`.")
            return self._check_own(self._file[key], key)

    def _check_own(self, array: h5py.Dataset, key: str) -> h5py.Dataset:
        """The array, unless its bytes are those of other files of the machine, or too many to unpack.

        key: its name, for the sentence.

        HDF5 lets an array point to bytes of any file, or be a view of arrays in other files: a crafted
        copy could bring private files into a prepared set.
        """
        where = f"`{key}` of `{self.path}` should lie in the file itself."
        if array.external is not None:
            raise DataMissing(f"{where} Found bytes of another file.")
        if array.is_virtual:
            raise DataMissing(f"{where} Found a view of other files.")
        if array.chunks is not None and math.prod(array.chunks) * array.dtype.itemsize > LARGEST_CHUNK:
            raise DataMissing(
                f"`{key}` of `{self.path}` should be stored in chunks of {LARGEST_CHUNK >> 20} MB or less. Found "
                f"{array.chunks}."
            )
        return array

    def read(self, split: str, row: int) -> Item:
        """One image; of the file only its own bytes are read."""
        image = int(self._images[split][row])
        where = f"image {image} of `{self.path}`"
        with self._explain_errors():
            rgb, label, depth = (np.asarray(self._open_array(key)[image]) for key in ("images", "labels", "depths"))
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
        """The scene of every image of a split, as `kitchen_0004`; None where the file does not name them."""
        if "scenes" not in self._file:
            return None
        with self._explain_errors():
            stored = self._open_array("scenes")
            if stored.size > MOST_NAMES:
                raise DataMissing(f"`scenes` of `{self.path}` should name each image once. Found {stored.size} names.")
            references = np.asarray(stored).reshape(-1)
            if len(references) <= max((int(rows[-1]) for rows in self._images.values() if len(rows)), default=0):
                raise DataMissing(f"`scenes` of `{self.path}` should name every image. Found {len(references)} names.")
            if references.dtype != h5py.ref_dtype:
                raise DataMissing(f"`scenes` of `{self.path}` should hold references to names.")
            return [self._text(self._file[references[image]]) for image in self._images[split]]

    def close(self) -> None:
        self._file.close()

    def _text(self, characters: h5py.Dataset) -> str:
        """A name from its UTF-16 codes."""
        codes = self._check_own(characters, "scenes")
        if codes.size > LONGEST_NAME or codes.dtype.kind not in "ui":
            raise DataMissing(
                f"`scenes` of `{self.path}` should hold names of {LONGEST_NAME} characters or fewer. Found "
                f"{codes.size} of the type {codes.dtype}."
            )
        return "".join(chr(code) for code in np.asarray(codes).reshape(-1))


def _load(path: Path, key: str) -> np.ndarray:
    """The numbers of a variable of a small MATLAB file of version 4 to 7, flat and finite."""
    values = read_variables(str(path), path.name, key)[key]
    if not isinstance(values, np.ndarray):
        raise DataMissing(f"`{key}` of `{path}` should hold numbers. Found {describe_value(values)}.")
    if not np.isfinite(values).all():
        raise DataMissing(f"`{key}` of `{path}` should hold finite numbers.")
    return values.reshape(-1)


def _to_13(path: Path) -> np.ndarray:
    """label 0..894 -> 0..12, or -1 where unlabelled: int8 (895,) or longer.

    path: of `classMapping40.mat`. DataMissing where it is missing or holds something else.
    """
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
    """The official indices ship with the code; a `splits.mat` beside the file should agree with them.

    path: of `splits.mat`, with `trainNdxs` and `testNdxs` from 1. Raises DataMissing where they differ.
    """
    if not path.is_file():
        return
    for split in ("train", "test"):
        if not np.array_equal(np.sort(_load(path, f"{split}Ndxs")) - 1, official_images(split)):
            raise DataMissing(
                f"`{split}Ndxs` of `{path}` should be the official {len(official_images(split))} images, from 1."
            )
