"""The layout of MTAN's and LibMTL's copies: `{train,val}/{image,label,depth[,normal]}/<i>.npy`.

Source: Liu, Johns, Davison, CVPR 2019, and its public code; there 288x384 images, labels of 13 classes, depth
in metres. NumPy's `.npy` is a header of text with type and shape, then the bytes.
"""

from pathlib import Path

import numpy as np

from bench.api import DataMissing
from bench.system.regular import NotRegular, open_regular
from suites.nyuv2.files import FilesSource
from suites.nyuv2.source import MOST_PIXELS


class MtanFolder(FilesSource):
    """`image` (rows, columns, 3) in [0, 1] or bytes, `label` 0..12 and -1, `depth` metres, `normal` unit
    vectors; any number type.

    `val` holds the official test images, as in every such copy; `test` is read where there is no `val`.
    """

    name = "mtan"
    suffixes = (".npy",)

    def folder(self, root: Path, split: str, part: str) -> Path:
        """`train/image` and the like; the test split is in `val`."""
        if split == "test" and ((root / "val").is_dir() or not (root / "test").is_dir()):
            split = "val"
        return root / split / part

    def load(self, path: Path) -> np.ndarray:
        """The array of a file, of any number type. DataMissing where it is no such file, or larger than an image."""
        try:
            open_regular(path).close()
            array: np.ndarray = np.lib.format.open_memmap(
                path, mode="r"
            )  # refuses what is shorter than its header says
        except NotRegular as error:
            raise DataMissing(str(error)) from error
        except OSError as error:
            raise DataMissing(f"`{path}` cannot be read ({error.strerror or error}).") from error
        except Exception as error:  # an archive, a pickle, or a header that breaks any line of its reader
            raise DataMissing(f"`{path}` cannot be read as an array of numbers in NumPy's `.npy` format.") from error
        if array.dtype.kind not in "fiu":
            raise DataMissing(f"`{path}` should hold numbers. Found the type {array.dtype}.")
        # Before it is copied into memory: few bytes of a sparse file can stand for many.
        if array.size > 3 * MOST_PIXELS:
            raise DataMissing(f"`{path}` should hold an image of {MOST_PIXELS:,} pixels or fewer. Found {array.shape}.")
        # A copy: the file is closed when the image has been read.
        # A copy: the file is closed when the image has been read.
        return np.array(array)
