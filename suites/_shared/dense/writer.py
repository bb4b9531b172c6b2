"""Writing a prepared set: row by row in any order, whole or not at all, by one process at a time."""

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from bench.api import DataMissing
from bench.system.regular import open_regular, read_regular
from suites._shared.dense.camera import Size
from suites._shared.dense.sets import FIELDS, FORMAT, LARGEST_HEADER, UNIT, DenseSet, sha256_of

# So that a power cut costs little, and the disk is not asked for every row.
FLUSH = 64  # rows between two times that what is written is brought to the disk and marked as done
WHOLLY_INVALID = {"label": -1, "depth": 0, "normal": 0}


class SetWriter:
    """Writes a set into a hidden folder beside `folder`, row by row in any order, and renames it when whole.

    A writer opened again with the same header after an interruption knows which rows are there
    (`missing_rows`). `abandon` removes everything; leaving a `with` block by a DataMissing does so too,
    leaving it otherwise keeps the rows for the next time. The space is reserved at the start: a memory-mapped file
    that outgrows a disk would end the process. Raises DataMissing where there is too little of it, and where
    another writer is at work on the same set.
    """

    def __init__(self, folder: Path, size: Size, rows: Mapping[str, int], header: Mapping[str, Any]) -> None:
        """Begin a set, or go on with one that an earlier writer of the same header left.

        folder: where the set will appear.
        size: rows and columns of an image.
        rows: split -> number of images.
        header: what else `set.json` should say, as JSON gives it back.
        """
        self.folder = folder
        self.partial = folder.with_name(f".{folder.name}.partial")
        self.header = {"format": FORMAT, "size": list(size), "rows": dict(rows), **header}
        self._shapes: dict[str, tuple[str, tuple[int, ...]]] = {
            f"{split}/{field}": (dtype, (count, *size, *last))
            for split, count in rows.items()
            for field, (dtype, last) in FIELDS.items()
        } | {f"{split}/done": ("|u1", (count,)) for split, count in rows.items()}
        self._pending: list[tuple[str, int]] = []
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder, not in it: the folder is renamed.
        self._lock = FileLock(folder.with_name(f".{folder.name}.lock"))  # the system's: gone with its process
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataMissing(f"Another `mtlbench data prepare` is writing `{folder}`; wait for it.") from None
        try:
            # Another header is another set: what is there is thrown away.
            if not self._resumable():
                self._start()
        except BaseException:
            self.abandon()
            raise
        self._arrays = {name: np.lib.format.open_memmap(self._path(name), mode="r+") for name in self._shapes}

    def _path(self, name: str) -> Path:
        return self.partial / f"{name}.npy"

    def _resumable(self) -> bool:
        """Whether an earlier writer of the same header left all its files, as it made them."""
        try:
            known = json.loads(read_regular(self.partial / "header.json", LARGEST_HEADER))
            for name in self._shapes:
                open_regular(self._path(name)).close()
            left = {name: np.lib.format.open_memmap(self._path(name), mode="r") for name in self._shapes}
        except Exception:  # whatever is wrong with a header
            return False
        whole = all(
            (array.dtype, array.shape) == (np.dtype(d), s)
            for array, (d, s) in zip(left.values(), self._shapes.values(), strict=True)
        )
        return bool(known == self.header) and whole

    def _start(self) -> None:
        """Files of their full size, all zero. Raises DataMissing where the disk is too small."""
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir()
        need = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for dtype, shape in self._shapes.values())
        free = shutil.disk_usage(self.partial).free
        if need > free:
            raise self._full(need, free)
        for name, (dtype, shape) in self._shapes.items():
            self._path(name).parent.mkdir(exist_ok=True)
            np.lib.format.open_memmap(self._path(name), mode="w+", dtype=np.dtype(dtype), shape=shape)
            try:
                _reserve(self._path(name))
            except OSError as error:
                # Some file systems cannot reserve: they are written to all the same.
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise self._full(need, free) from error
        (self.partial / "header.json").write_text(json.dumps(self.header, indent=1), encoding="utf-8")

    def _full(self, need: int, free: int) -> DataMissing:
        return DataMissing(
            f"The set needs {need / 2**20:,.0f} MiB in `{self.folder.parent}`, which has {free / 2**20:,.0f} MiB free."
        )

    def missing_rows(self) -> list[tuple[str, int]]:
        """(split, row) of everything not yet written, in order."""
        self.flush()
        splits = self.header["rows"]
        return [(split, int(row)) for split in splits for row in np.flatnonzero(self._arrays[f"{split}/done"] == 0)]

    def put(self, split: str, row: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write one image: every field of FIELDS, of the shapes of a row. In any order; twice is no harm."""
        for field in FIELDS:
            self._arrays[f"{split}/{field}"][row] = arrays[field]
        self._pending.append((split, row))
        if len(self._pending) >= FLUSH:
            self.flush()

    def flush(self) -> None:
        """Bring the rows to the disk, then mark them as done: a mark never outlives its row."""
        if not self._pending:
            return
        for name, array in self._arrays.items():
            if not name.endswith("/done"):
                array.flush()
        for split, row in self._pending:
            self._arrays[f"{split}/done"][row] = 1
        self._pending.clear()

    def finish(self) -> DenseSet:
        """Checksums, header, rename.

        Raises ValueError where rows are missing, DataMissing where a split holds nothing valid of a field.
        """
        if absent := self.missing_rows():
            raise ValueError(f"A set should be whole before it is finished. {len(absent)} rows are missing.")
        for field, invalid in WHOLLY_INVALID.items():
            for split, count in self.header["rows"].items():
                if count and not any((image != invalid).any() for image in self._arrays[f"{split}/{field}"]):
                    raise DataMissing(
                        f"Every {field} of the {split} images is invalid: nothing could be learned of it."
                    )
        sums = {n.replace("/", "."): sha256_of(a) for n, a in self._arrays.items() if not n.endswith("/done")}
        self._arrays.clear()
        for split in self.header["rows"]:
            self._path(f"{split}/done").unlink()
        (self.partial / "header.json").unlink()
        (self.partial / "set.json").write_text(json.dumps({**self.header, "sha256": sums}, indent=1), encoding="utf-8")
        # Not before now: the old set stays until the new one is whole.
        if self.folder.exists():
            shutil.rmtree(self.folder)
        os.replace(self.partial, self.folder)
        self.close()
        return DenseSet(self.folder)

    def abandon(self) -> None:
        """Remove what was written, and let another writer in."""
        self._pending.clear()
        shutil.rmtree(self.partial, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Keep the rows for the next time, and let another writer in."""
        if not self._lock.is_locked:
            return
        self.flush()
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> "SetWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, DataMissing):
            self.abandon()
        else:
            self.close()


def pack_normals(normals: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) as int16, 32767 to the unit: within 0.002 degrees."""
    return np.rint(np.asarray(normals, dtype=np.float64) * UNIT).astype("<i2")


def _reserve(path: Path) -> None:
    """Blocks on the disk for all of a file, where the system can; OSError where there are none left."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
