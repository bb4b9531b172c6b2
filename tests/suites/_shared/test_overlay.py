"""Pairs of digits and their checksums."""

from collections import Counter

import numpy as np

from suites._shared.overlay import checksum_arrays, draw_partners, shrink


def test_partners_are_uniform_and_may_repeat() -> None:
    pairs = draw_partners(50, 40, seed=1)
    counts = Counter(pairs[:, 1].tolist())
    assert set(counts) == set(range(50))
    assert 15 < min(counts.values()) < 40 < max(counts.values()) < 80  # 40 expected, deviation 6.3; no permutation
    assert any(left == right for left, right in pairs.tolist())
    assert np.array_equal(pairs, draw_partners(50, 40, seed=1))
    assert not np.array_equal(pairs, draw_partners(50, 40, seed=2))


def test_checksum_of_arrays_is_that_of_their_little_endian_bytes() -> None:
    array = np.array([[1, 2], [3, 4]], dtype=np.int64)
    assert checksum_arrays(array) == checksum_arrays(array.astype(">i8")) == checksum_arrays(np.asfortranarray(array))
    assert checksum_arrays(array) != checksum_arrays(array.T)
    assert checksum_arrays(array[:1], array[1:]) == checksum_arrays(array)


def test_nearest_neighbours_by_index() -> None:
    """floor(i 36 / 28): 0 1 2 3 5 6 7 9 ...; nine pixels make seven."""
    image = np.arange(36 * 36).reshape(1, 36, 36)
    index = [i + sum(i >= 7 * k + r for k in range(4) for r in (4, 7)) for i in range(28)]
    assert index[:8] == [0, 1, 2, 3, 5, 6, 7, 9]
    assert index[-1] == 34
    assert np.array_equal(shrink(image, 28)[0], image[0][np.ix_(index, index)])
