"""Reading the statistics of a record, and how histograms are written in one.

A record may have been written by somebody else, so every number is checked before it is used.
"""

import base64
import itertools
import zlib

import numpy as np

from bench.kinds import State

MAX_COUNT = 2.0**53  # rows or pixels of one task: every whole number up to here is a float
ANGLE_BIN = 0.05  # degrees; 11.25, 22.5 and 30 lie on borders of bins
ANGLE_BINS = 3600


def read_confusion(state: State) -> np.ndarray:
    """The confusion matrix, int64 (C, C), truth by prediction.

    Raises ValueError for anything but a square matrix of whole numbers >= 0, or a sum beyond 2^53.
    """
    rows = state["confusion"]
    matrix = np.asarray(rows)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    # numpy turns `true` among whole numbers into 1 without a word.
    truth = square and isinstance(rows, list) and bool in map(type, itertools.chain(*rows))
    if not square or truth or matrix.dtype.kind not in "iu" or matrix.min(initial=0) < 0:
        raise ValueError("`confusion` should be a square matrix of counts, truth by prediction.")
    if not 1 <= matrix.sum(dtype=float) <= MAX_COUNT:  # as floats: a sum of large counts may run over and look small
        raise ValueError("`confusion` should count at least one row, and at most 2^53.")
    return matrix.astype(np.int64, copy=False)


def read_count(state: State, name: str = "count") -> int:
    """A number of rows, pixels or pairs, in [1, 2^53]. Raises ValueError for any other value."""
    count = state[name]
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
        raise ValueError(f"`{name}` should be a whole number, at least 1 and at most 2^53.")
    return count


def read_sum(state: State, name: str) -> float:
    """A sum of errors, in [0, 1e300]; more would overflow when it is divided or squared."""
    total = state[name]
    if not isinstance(total, int | float) or isinstance(total, bool) or not 0 <= total <= 1e300:
        raise ValueError(f"`{name}` should be a finite number, at least 0.")
    return float(total)


def pack_histogram(counts: np.ndarray) -> str:
    """Counts of the ANGLE_BINS bins as text: base64 of zlib of little-endian uint64.

    Most bins are empty, so that 28 KiB become a few.

    counts: (ANGLE_BINS,), non-negative; bin k holds angles in [k, k + 1) ANGLE_BIN degrees.
    """
    return base64.b64encode(zlib.compress(np.asarray(counts, dtype="<u8").tobytes(), 9)).decode("ascii")


def unpack_histogram(text: str) -> np.ndarray:
    """The counts, int64 (ANGLE_BINS,).

    text: from `pack_histogram`, or from a record that somebody else wrote.

    Raises ValueError where the text holds anything else, or more than 2^53 in all.
    """
    size = ANGLE_BINS * 8
    try:
        # Inflate one byte more than is expected at most: a few bytes of zlib can stand for gigabytes.
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), size + 1)
    except (TypeError, zlib.error) as error:
        raise ValueError(f"`histogram` cannot be unpacked ({error}).") from error
    counts = np.frombuffer(data, dtype="<u8") if len(data) == size else None
    if counts is None or not inflate.eof or counts.sum(dtype=float) > MAX_COUNT:
        raise ValueError(f"`histogram` should hold {ANGLE_BINS} counts.")
    return counts.astype(np.int64)
