"""MultiDigits: the bundled scans, composed again by a slow loop."""

from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from bench.errors import UsageError
from bench.planning.plan import parse_suite
from suites._shared.digits import read_digit_scans
from suites._shared.overlay import TASKS
from suites.multidigits.suite import BLOCKS, MultiDigits, _pairs

# Frozen: another value means other data, and orphans every stored run of the suite.
CHECKSUMS = {
    "pairs.train": "df7faea738fddb5ab653324e422ea6161a5eb553687542703229fd0de8183b3c",
    "pairs.val": "33237ec730aff595e25378efef0fa824019882ae3e7b4fc74188f8f0e1776538",
    "pairs.test": "60de34174446efd63df3a665b4664629a63b3cf5d54de5c0b763c927cebdd809",
    "images.train": "5a774c0125c27415ed86e47a9ddef9cab5d852fa6f99cd5d689c665d14757775",
    "images.val": "a1da180d0266dfac8e302acec611bc8a9e982137ae1553735a3b0eb84b5170a3",
    "images.test": "81e4257147ce77f6379283a45174a90475d4b746f296541c92dee5cdf64722b0",
}


def test_sizes() -> None:
    suite = MultiDigits()
    assert suite.protocol.splits == {"train": 4000, "val": 1592, "test": 1596}
    for split, rows in suite.protocol.splits.items():
        data = suite.dataset(split, 0)
        assert data.inputs["left"] is data.inputs["right"]
        assert data.inputs["left"].shape == (rows, 1, 12, 12)
        assert data.inputs["left"].dtype == torch.float32
        assert all(data.targets[task].shape == (rows,) and data.targets[task].dtype == torch.int64 for task in TASKS)
    assert suite.protocol.ranked
    assert suite.protocol.selection == "val"


def test_base_digits_are_disjoint_blocks() -> None:
    used = {split: set(_pairs(split).ravel().tolist()) for split in BLOCKS}
    for split, (low, high) in BLOCKS.items():
        assert used[split] == set(range(low, high))
        assert Counter(_pairs(split)[:, 0].tolist()) == dict.fromkeys(range(low, high), 4)
    assert sum(map(len, used.values())) == len(set.union(*used.values())) == 1797 == len(load_digits().images)


@pytest.mark.parametrize("split", BLOCKS)
def test_composition_against_a_slow_loop(split: str) -> None:
    """Pixel by pixel: the larger of the left digit at (0, 0) and the right one at (4, 4), then normalised."""
    scans, labels = load_digits(return_X_y=True)
    data = MultiDigits().dataset(split, 0)
    pairs = _pairs(split)[::7]
    for row, (left, right) in zip(range(0, len(data.inputs["left"]), 7), pairs.tolist(), strict=True):
        canvas = [[0.0] * 12 for _ in range(12)]
        for offset, digit in ((0, left), (4, right)):
            for place, value in enumerate(scans[digit].tolist()):
                y, x = divmod(place, 8)
                canvas[y + offset][x + offset] = max(canvas[y + offset][x + offset], value)
        expected = (torch.tensor(canvas) - 4.0) / 5.5
        assert torch.allclose(data.inputs["left"][row, 0], expected, rtol=0, atol=1e-6)
        assert (data.targets["left"][row], data.targets["right"][row]) == (labels[left], labels[right])


def test_data_does_not_depend_on_the_seed() -> None:
    suite = MultiDigits()
    a, b = suite.dataset("train", 0), suite.dataset("train", 1)
    assert torch.equal(a.inputs["left"], b.inputs["left"])
    assert torch.equal(a.targets["right"], b.targets["right"])


@pytest.mark.parametrize("partition", [1, 2, 3, 598])
def test_partitions_are_blocks_of_the_file_read_from_a_later_row(partition: int) -> None:
    used = {split: {(row - 399 * partition) % 1797 for row in _pairs(split, partition).ravel()} for split in BLOCKS}
    assert used == {split: set(range(low, high)) for split, (low, high) in BLOCKS.items()}
    suite = MultiDigits(split=partition)
    assert suite.protocol == MultiDigits().protocol
    assert not set(suite.checksums().values()) & set(CHECKSUMS.values())
    labels = torch.from_numpy(read_digit_scans()[1])[_pairs("val", partition)]
    assert torch.equal(suite.dataset("val", 0).targets["right"], labels[:, 1])


def test_the_first_four_partitions_have_no_test_digit_in_common_and_all_599_differ() -> None:
    tested = [set(_pairs("test", partition).ravel().tolist()) for partition in range(4)]
    assert len(set.union(*tested)) == sum(map(len, tested)) == 4 * 399
    assert len({399 * partition % 1797 for partition in range(599)}) == 599
    with pytest.raises(UsageError, match=r"`split`.*598"):
        parse_suite("multidigits:split=599")


def test_the_first_partition_keeps_its_name() -> None:
    assert parse_suite("multidigits:split=0")[0].canonical == parse_suite("multidigits")[0].canonical == "multidigits"
    assert parse_suite("multidigits:split=3")[0].canonical == "multidigits:split=3"


def test_sealed_rows_are_of_the_test_digits_of_the_partition() -> None:
    """Pixels of a left digit that no right one reaches: the first four rows."""
    suite = MultiDigits(split=2)
    tops = {tuple(row) for row in suite.dataset("test", 0).inputs["left"][:, 0, :4, :8].flatten(1).tolist()}
    sealed = suite.sealed(0, 5).inputs["left"][:, 0, :4, :8].flatten(1).tolist()
    assert {tuple(row) for row in sealed} == tops


@pytest.mark.parametrize("partition", [0, 2])
def test_units_of_test_rows_are_the_scans_that_tasks_name(partition: int) -> None:
    suite = MultiDigits(split=partition)
    data, units, low = suite.dataset("test", 0), suite.row_units(), BLOCKS["test"][0] + 399 * partition
    digits = torch.from_numpy(read_digit_scans()[1])
    for task in TASKS:
        assert torch.equal(digits[(units[task] + low) % 1797], data.targets[task])
    assert torch.bincount(units["left"]).tolist() == [4] * 399
    assert int(units["right"].max()) < 399


def test_checksums_are_frozen() -> None:
    assert MultiDigits().checksums() == CHECKSUMS


def test_scans_are_those_that_the_library_loads() -> None:
    """The file is read without importing the library, which takes longer than torch."""
    scans, digits = read_digit_scans()
    expected = load_digits()
    assert np.array_equal(scans, expected.images)
    assert np.array_equal(digits, expected.target)
