"""A copy that is read in a process of its own: HDF5, PNG and NumPy files come from anywhere.

A crafted or damaged file can crash the library that reads it, or make it allocate without end. Here that ends
the reader, and is one sentence to the user. Answers are checked again on this side: a reader that was taken
over could answer anything.
"""

from functools import cache
from pathlib import Path

import numpy as np

from bench.api import DataMissing
from bench.errors import make_printable
from bench.system.reading.process import Reader, ReadLimits
from bench.system.reading.values import Value
from suites.nyuv2.recognise import recognise
from suites.nyuv2.source import Item, Source

LIMITS = ReadLimits(seconds=300, memory_mb=2048, answer_mb=512)


class IsolatedSource(Source):
    """As `recognise`, but what breaks a reader of the copy's format is one sentence.

    path: file or folder of the copy. Close it: the reader is a process.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._about = str(path), f"`{make_printable(str(path))}`"
        self._reader = Reader(LIMITS)
        try:
            told = self._reader.ask(describe_copy, self._path, about=self._about)
        # Also for Ctrl-C: no process is left behind.
        except BaseException:
            self.close()
            raise
        rows, columns = told["size"]
        self.name, self.rows, self.size = told["name"], told["rows"], (rows, columns)
        self.has_normals, self.fingerprint = told["has_normals"], told["fingerprint"]

    def read(self, split: str, row: int) -> Item:
        """As the copy's own `read`; DataMissing where the answer has another type or shape than the copy said."""
        about = f"Image {row} of {split} of {self._about}"
        item = Item(**self._reader.ask(read_image, self._path, split, row, about=about))
        parts = {"image": (np.uint8, 3), "label": (np.int8,), "depth": (np.float32,), "normal": (np.float32, 3)}
        for name, (dtype, *last) in parts.items():
            array = getattr(item, name)
            if array is not None and (array.dtype, array.shape) != (dtype, (*self.size, *last)):
                raise DataMissing(f"{about} cannot be read: its reader answered something else.")
        return item

    def scenes(self, split: str) -> list[str] | None:
        """As the copy's own `scenes`."""
        names: list[str] | None = self._reader.ask(name_scenes, self._path, split, about=self._about)
        return names

    def close(self) -> None:
        """End the reader's process."""
        self._reader.close()


@cache
def _open(path: str) -> Source:
    """The copy, opened once in the reader's process, for all questions about it."""
    return recognise(Path(path))


def describe_copy(path: str) -> Value:
    """Runs in the reader: what is known of the copy as a whole, as `Source` has it."""
    copy = _open(path)
    return {
        "name": copy.name,
        "rows": copy.rows,
        "size": list(copy.size),
        "has_normals": copy.has_normals,
        "fingerprint": copy.fingerprint,
    }


def read_image(path: str, split: str, row: int) -> Value:
    """Runs in the reader: one image, the fields of `Item`."""
    return vars(_open(path).read(split, row))


def name_scenes(path: str, split: str) -> Value:
    """Runs in the reader: the scene of every image, None where the copy does not say."""
    return _open(path).scenes(split)
