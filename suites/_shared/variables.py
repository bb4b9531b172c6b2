"""What a Matlab file holds, safe to look at, and what is said where it is something else.

The file is parsed in a process of its own, and when a data folder is prepared the arrays are written beside it
(`NAME.mat.arrays`: SHA-256, then what `bench.system.reading.values` packs), so that runs start without that process.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.api import DataMissing
from bench.errors import make_printable
from bench.system.files import write_whole
from bench.system.reading.process import ReadLimits, read_in_process
from bench.system.reading.values import NotAValue, Value, pack, unpack
from bench.system.regular import open_regular, read_regular
from suites._shared.mat_file import describe_value, read_variables

LIMITS = ReadLimits(seconds=120, memory_mb=2048, answer_mb=512)
STAMP = 32  # bytes of SHA-256 before what is kept


@dataclass(frozen=True)
class Variables:
    """Variables of `file`: arrays of numbers, lists of them (cells), or a text that says what else is there."""

    file: str
    values: Mapping[str, Value]

    def matrix(self, name: str) -> np.ndarray:
        """A variable as a matrix (rows, columns) of finite numbers, float64; DataMissing where it is no such matrix."""
        return self._matrix(self.values[name], f"`{name}` of {self.file}")

    def cells(self, name: str) -> list[np.ndarray]:
        """A variable of cells, a float64 matrix for each task; DataMissing where it is no such thing."""
        value = self.values[name]
        if not isinstance(value, list) or not value:
            raise DataMissing(
                f"`{name}` of {self.file} should be cells, a matrix for each task. Found {describe_value(value)}."
            )
        return [self._matrix(v, f"Task {t} of `{name}` of {self.file}") for t, v in enumerate(value, 1)]

    def _matrix(self, value: Value, what: str) -> np.ndarray:
        """`value` as float64; `what` is what it is called in the sentence."""
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.size:
            matrix = np.asarray(value, dtype=np.float64)
            if np.isfinite(matrix).all():
                return matrix
        raise DataMissing(f"{what} should be a matrix of finite numbers. Found {describe_value(value)}.")


def load_variables(path: Path, names: Sequence[str], called: str = "") -> Variables:
    """Variables of a Matlab file, from what `keep_variables` wrote beside it, else read in a process of its own.

    path: of the file.
    names: of the variables; all should be there.
    called: its name in sentences, where that is not its own.

    Raises DataMissing where it cannot be read.
    """
    called = make_printable(called or path.name, 200)
    try:
        digest = sha256_of_file(path)
    except OSError as error:
        raise DataMissing(f"`{called}` cannot be read ({error.strerror or error}).") from error
    values = _read_kept(path, names, digest)
    if values is None:
        values = read_in_process(read_variables, path, called, *names, name=called, limits=LIMITS)
    if not isinstance(values, dict) or values.keys() != set(names):
        raise DataMissing(f"`{called}` cannot be read: its reader answered something else.")
    return Variables(called, values)


def keep_variables(path: Path, names: Sequence[str], values: Mapping[str, Value]) -> None:
    """Write what was read of `path` beside it, so that no run has to open it again.

    names: of the variables, in the order in which they are asked for.
    values: what `load_variables` gave.
    """
    content = pack({"sha256": sha256_of_file(path), "names": list(names), "values": dict(values)})
    write_whole(_kept_path(path), hashlib.sha256(content).digest() + content)


def file_stamp(path: Path) -> tuple[int, int]:
    """Size and time of change: what tells that a file is still the one that was read."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def sha256_of_file(path: Path) -> str:
    """SHA-256 of the content of a plain file, read once for each state of it."""
    return _sha256(path, file_stamp(path))


@cache
def _sha256(path: Path, stamp: tuple[int, int]) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept_path(path: Path) -> Path:
    """Where the variables of a file are kept."""
    return path.with_name(f"{path.name}.arrays")


def _read_kept(path: Path, names: Sequence[str], digest: str) -> Value:
    """What was kept of a file of this SHA-256; None where there is nothing, or something else."""
    try:
        content = read_regular(_kept_path(path), LIMITS.answer_mb << 20)
        # Its own sum first: what was cut short is not unpacked.
        if hashlib.sha256(memoryview(content)[STAMP:]).digest() != content[:STAMP]:
            return None
        stream = io.BytesIO(content)
        stream.seek(STAMP)
        kept = unpack(stream.read, LIMITS.answer_mb << 20)
        # Kept of another file that was here under the same name, or of other variables.
        same = kept["sha256"] == digest and kept["names"] == list(names)
        return kept["values"] if same else None
    except (OSError, NotAValue, ValueError, KeyError, TypeError):
        return None
