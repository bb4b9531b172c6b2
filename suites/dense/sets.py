"""A prepared set on disk: images with labels, depth and normals, memory-mapped, written whole or not at all.

    FOLDER/set.json                                  header: sizes, source, SHA-256 of every array
    FOLDER/{train,test}/{image,label,depth,normal}.npy

One row per image. `image` is uint8 (n, h, w, 3), RGB; `label` int8 (n, h, w), -1 ignored; `depth`
float32 (n, h, w), metres, 0 invalid; `normal` int16 (n, h, w, 3), unit vectors times 32767 in the
coordinates of `suites.dense.camera`, the zero vector invalid.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import DataMissing
from suites.dense.camera import Size

FORMAT = 1
UNIT = 32767  # a unit vector's length in `normal`
FIELDS: dict[str, tuple[str, tuple[int, ...]]] = {
    "image": ("|u1", (3,)),
    "label": ("|i1", ()),
    "depth": ("<f4", ()),
    "normal": ("<i2", (3,)),
}


class DenseSet:
    """A finished set: its header, and its arrays as read-only views of the files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.header: dict[str, Any] = json.loads((folder / "set.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataMissing(f"There is no prepared set in `{folder}`.") from None
        except ValueError as error:
            raise DataMissing(f"`{folder / 'set.json'}` is damaged ({error}); prepare the set again.") from error
        if self.header.get("format") != FORMAT:
            raise DataMissing(
                f"`{folder}` was prepared in format {self.header.get('format')}, not {FORMAT}; prepare it again."
            )

    @property
    def size(self) -> Size:
        """Rows and columns of an image."""
        rows, columns = self.header["size"]
        return rows, columns

    @cached_property
    def rows(self) -> dict[str, int]:
        """split -> number of images."""
        return {split: int(count) for split, count in self.header["rows"].items()}

    @property
    def checksums(self) -> dict[str, str]:
        """`split.field` -> SHA-256 of the array's bytes, as written when the set was made."""
        return dict(self.header["sha256"])

    def array(self, split: str, field: str) -> np.ndarray:
        """One array, memory-mapped; changes to it stay in this process."""
        path = self.folder / split / f"{field}.npy"
        try:
            found: np.ndarray = np.load(path, mmap_mode="c")
        except (OSError, ValueError) as error:
            raise DataMissing(f"`{path}` cannot be read ({error}); prepare the set again.") from error
        return found

    def damaged(self) -> list[str]:
        """The arrays whose bytes are not those of the header."""
        return [
            name
            for name, value in self.checksums.items()
            if sha256_of(self.array(*name.split(".", maxsplit=1))) != value
        ]


class SetWriter:
    """Writes a set into a hidden folder beside `folder`, row by row in any order, and renames it when whole.

    A writer opened again with the same header after an interruption knows which rows are there
    (`missing`). `abandon` removes everything; leaving a `with` block by a DataMissing does so too,
    leaving it by Ctrl-C keeps the rows for the next time.
    """

    def __init__(self, folder: Path, size: Size, rows: Mapping[str, int], header: Mapping[str, Any]) -> None:
        self.folder = folder
        self.partial = folder.with_name(f".{folder.name}.partial")
        self.header = {"format": FORMAT, "size": list(size), "rows": dict(rows), **header}
        if self._resumable():
            mode = "r+"
        else:
            mode = "w+"
            self.abandon()
            self.partial.mkdir(parents=True)
            (self.partial / "header.json").write_text(json.dumps(self.header, indent=1), encoding="utf-8")
        self._arrays: dict[tuple[str, str], np.ndarray] = {}
        self._done: dict[str, np.ndarray] = {}
        for split, count in rows.items():
            (self.partial / split).mkdir(exist_ok=True)
            for field, (dtype, last) in FIELDS.items():
                self._arrays[split, field] = self._open(f"{split}/{field}", mode, dtype, (count, *size, *last))
            self._done[split] = self._open(f"{split}/done", mode, "|u1", (count,))

    def _open(self, name: str, mode: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        path = self.partial / f"{name}.npy"
        if mode == "r+":
            return np.lib.format.open_memmap(path, mode="r+")
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)

    def _resumable(self) -> bool:
        try:
            known = json.loads((self.partial / "header.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        whole = all((self.partial / split / "done.npy").is_file() for split in self.header["rows"])
        return bool(known == self.header) and whole

    def missing(self) -> list[tuple[str, int]]:
        """(split, row) of everything not yet written, in order."""
        return [(split, int(row)) for split, done in self._done.items() for row in np.flatnonzero(done == 0)]

    def put(self, split: str, row: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write one image: every field of FIELDS."""
        for field in FIELDS:
            self._arrays[split, field][row] = arrays[field]
        self._done[split][row] = 1

    def finish(self) -> DenseSet:
        """Checksums, header, rename. Raises ValueError where rows are missing."""
        if absent := self.missing():
            raise ValueError(f"A set should be whole before it is finished. {len(absent)} rows are missing.")
        sums = {f"{split}.{field}": sha256_of(array) for (split, field), array in self._arrays.items()}
        for split in self._done:
            for field in FIELDS:
                array: Any = self._arrays[split, field]
                array.flush()
            (self.partial / split / "done.npy").unlink()
        (self.partial / "header.json").unlink()
        (self.partial / "set.json").write_text(json.dumps({**self.header, "sha256": sums}, indent=1), encoding="utf-8")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        os.replace(self.partial, self.folder)
        return DenseSet(self.folder)

    def abandon(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def __enter__(self) -> "SetWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, DataMissing):
            self.abandon()


def pack_normals(normals: np.ndarray) -> np.ndarray:
    """Unit vectors as int16, 32767 to the unit."""
    return np.rint(np.asarray(normals, dtype=np.float64) * UNIT).astype("<i2")


def sha256_of(array: np.ndarray) -> str:
    """SHA-256 of the bytes of an array, row by row, so that a large one is never copied."""
    state = hashlib.sha256()
    for row in array:
        state.update(np.ascontiguousarray(row).tobytes())
    return state.hexdigest()
