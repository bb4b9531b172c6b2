"""The layout of MTAN's and LibMTL's copies: `{train,val}/{image,label,depth[,normal]}/<i>.npy`."""

from pathlib import Path

import numpy as np

from bench.api import DataMissing
from bench.system.regular import NotRegular, open_regular
from suites.nyuv2.files import FilesSource
from suites.nyuv2.source import MOST_PIXELS


class MtanFolder(FilesSource):
    """`image` (rows, columns, 3) in [0, 1] or bytes, `label` 0..12 and -1, `depth` metres, any number type.

    `val` holds the official test images, as in every such copy; `test` is read where there is no `val`.
    """

    name = "mtan"
    suffixes = (".npy",)

    def folder(self, root: Path, split: str, part: str) -> Path:
        if split == "test" and ((root / "val").is_dir() or not (root / "test").is_dir()):
            split = "val"
        return root / split / part

    def load(self, path: Path) -> np.ndarray:
        try:
            open_regular(path).close()
            found: np.ndarray = np.lib.format.open_memmap(
                path, mode="r"
            )  # refuses what is shorter than its header says
        except NotRegular as error:
            raise DataMissing(str(error)) from error
        except OSError as error:
            raise DataMissing(f"`{path}` cannot be read ({error.strerror or error}).") from error
        except Exception as error:  # an archive, a pickle, or a header that breaks any line of its reader
            raise DataMissing(f"`{path}` cannot be read as an array of numbers in NumPy's `.npy` format.") from error
        if found.dtype.kind not in "fiu":
            raise DataMissing(f"`{path}` should hold numbers. Found the type {found.dtype}.")
        if found.size > 3 * MOST_PIXELS:
            raise DataMissing(f"`{path}` should hold an image of {MOST_PIXELS:,} pixels or fewer. Found {found.shape}.")
        return np.array(found)
