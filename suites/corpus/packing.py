"""Sentences of unequal length in rows of one length: several in a row, with places without words between them.

A row of one sentence would be padding for the most part. No network of `suites._shared.tagging` sees over a gap, so
that a sentence is tagged as if it stood alone.
"""

import numpy as np


def place_sentences(sizes: np.ndarray, length: int, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and first place of every sentence, (n,) each: in their order, into the row of the one before where it fits.

    sizes: words of each sentence, at most `length`.
    length: places of a row.
    gap: least number of places between two sentences.
    """
    rows, begins = np.zeros(len(sizes), dtype=np.int64), np.zeros(len(sizes), dtype=np.int64)
    row, free = -1, length + 1  # the first free place of the row
    for number, size in enumerate(sizes.tolist()):
        if free + size > length:
            row, free = row + 1, 0
        rows[number], begins[number] = row, free
        free += size + gap
    return rows, begins


def count_packed_rows(sizes: np.ndarray, length: int, gap: int) -> int:
    """Rows that these sentences fill."""
    return int(place_sentences(sizes, length, gap)[0][-1]) + 1 if len(sizes) else 0


def pack_words(values: np.ndarray, sizes: np.ndarray, length: int, gap: int, empty: int) -> np.ndarray:
    """Values of words (..., N), sentence after sentence, as rows (n, ..., L); `empty` where there is no word."""
    rows, begins = place_sentences(sizes, length, gap)
    at = np.repeat(rows * length + begins - (sizes.cumsum() - sizes), sizes) + np.arange(sizes.sum())
    packed = np.full((*values.shape[:-1], count_packed_rows(sizes, length, gap) * length), empty, dtype=values.dtype)
    packed[..., at] = values
    return np.moveaxis(packed.reshape(*values.shape[:-1], -1, length), -2, 0)
