"""A prepared set on disk: images with labels, depth and normals, memory-mapped, written whole or not at all.

    FOLDER/set.json                                  header: sizes, source, SHA-256 of every array
    FOLDER/{train,test}/{image,label,depth,normal}.npy

One row per image. `image` is uint8 (n, h, w, 3), RGB; `label` int8 (n, h, w), -1 ignored; `depth`
float32 (n, h, w), metres, 0 invalid; `normal` int16 (n, h, w, 3), unit vectors times 32767 in the
coordinates of `suites._shared.dense.camera`, the zero vector invalid. `suites._shared.dense.writer` makes them.
"""

import hashlib
import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Len
from pydantic import BaseModel, PositiveInt, ValidationError

from bench.api import DataMissing
from bench.errors import make_printable
from bench.system.regular import open_regular, read_regular
from suites._shared.dense.camera import Size

# Moves when a field of set.json or of an array means something else.
FORMAT = 1
LARGEST_HEADER = 1 << 24  # bytes of set.json
UNIT = 32767  # a unit vector's length in `normal`
FIELDS: dict[str, tuple[str, tuple[int, ...]]] = {
    "image": ("|u1", (3,)),
    "label": ("|i1", ()),
    "depth": ("<f4", ()),
    "normal": ("<i2", (3,)),
}


class Header(BaseModel, strict=True):
    """What every `set.json` holds; sources add what they like.

    format: FORMAT.
    size: rows and columns of an image.
    rows: split -> number of images.
    sha256: `split.field` -> SHA-256 of that array's bytes, without the header of its file.
    """

    format: Literal[1]
    size: Annotated[list[PositiveInt], Len(2, 2)]
    rows: dict[Literal["train", "test"], Annotated[int, Ge(0)]]
    sha256: dict[str, str]


class DenseSet:
    """A finished set: its header, and its arrays as read-only views of the files.

    folder: that holds `set.json`.

    Raises DataMissing where there is none, where its header is damaged, and where it is of another format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "set.json"
        try:
            header = json.loads(read_regular(path, LARGEST_HEADER))
        except FileNotFoundError:
            raise DataMissing(f"There is no prepared set in `{folder}`.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise DataMissing(
                f"`{path}` is damaged ({make_printable(str(error), 200)}); prepare the set again."
            ) from error
        version = header.get("format") if isinstance(header, dict) else None
        if isinstance(version, int) and version != FORMAT:
            raise DataMissing(f"`{folder}` was prepared in format {version}, not {FORMAT}; prepare it again.")
        try:
            Header.model_validate(header)
        except ValidationError as error:
            where = make_printable(".".join(map(str, error.errors()[0]["loc"])), 100) or "content"
            raise DataMissing(f"`{path}` is damaged (its `{where}`); prepare the set again.") from error
        self.header: dict[str, Any] = header

    @property
    def size(self) -> Size:
        """Rows and columns of an image."""
        rows, columns = self.header["size"]
        return rows, columns

    @cached_property
    def rows(self) -> dict[str, int]:
        """split -> number of images."""
        return dict(self.header["rows"])

    @property
    def checksums(self) -> dict[str, str]:
        """`split.field` -> SHA-256 of the array's bytes, as written when the set was made."""
        return dict(self.header["sha256"])

    def array(self, split: str, field: str) -> np.ndarray:
        """One array of FIELDS, memory-mapped; changes to it stay in this process.

        Raises DataMissing where the file is not the array that the header says: another type, shape or
        length.
        """
        path = self.folder / split / f"{field}.npy"
        dtype, last = FIELDS[field]
        wanted = np.dtype(dtype), (self.rows[split], *self.size, *last)
        try:
            # numpy would wait for ever at a named pipe.
            open_regular(path).close()
            stored: np.ndarray = np.lib.format.open_memmap(path, mode="c")
        except Exception as error:  # whatever is wrong with a header: it breaks any line of its reader
            raise DataMissing(f"`{path}` cannot be read as an array; prepare the set again.") from error
        if (stored.dtype, stored.shape) != wanted:
            raise DataMissing(f"`{path}` should be {wanted}. Found {(stored.dtype, stored.shape)}; prepare it again.")
        return stored

    def damaged_arrays(self) -> list[str]:
        """The arrays, as `split.field`, whose bytes are not those of the header, or that are not there."""
        return [f"{split}.{field}" for split in self.rows for field in FIELDS if not self._is_intact(split, field)]

    def _is_intact(self, split: str, field: str) -> bool:
        """Whether an array is there and its bytes are those of the header."""
        try:
            state = (self.folder / split / f"{field}.npy").stat()
            self.array(split, field)
        except (OSError, DataMissing):
            return False
        known = _sha256_of_file(self.folder, split, field, state.st_mtime_ns, state.st_size)
        return known == self.checksums.get(f"{split}.{field}")


@lru_cache(maxsize=256)
def _sha256_of_file(folder: Path, split: str, field: str, *_: int) -> str:
    """Of the bytes of an array: once per state of its file, in every process that trains (0.1 s for 1,449 of 72x96).

    The last arguments are the file's time and size: they are there to be part of the key.
    """
    return sha256_of(DenseSet(folder).array(split, field))


def sha256_of(array: np.ndarray) -> str:
    """SHA-256 of the bytes of an array, row by row, so that a large one is never copied."""
    state = hashlib.sha256()
    for row in array:
        state.update(np.ascontiguousarray(row).tobytes())
    return state.hexdigest()
