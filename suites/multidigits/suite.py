"""Two overlapping handwritten digits from scikit-learn's bundled scans; needs no download."""

from functools import cache, partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import Added, Dataset, Interval, Protocol, Split, Suite, register
from bench.backbones.lenet import lenet
from suites._shared.digits import read_digit_scans
from suites._shared.heads import make_linear_head
from suites._shared.overlay import TASKS, checksum_arrays, digit_dataset, digit_tasks, draw_partners, place

# Half-open ranges of rows of scikit-learn's file, read from the row at which a partition begins.
BLOCKS: dict[str, tuple[int, int]] = {"train": (0, 1000), "val": (1000, 1398), "test": (1398, 1797)}
PAIR_SEEDS = {"train": 20260, "val": 20261, "test": 20262}
REPEATS = 4  # pairs per base digit
CANVAS = 12  # pixels of a side
SCANS = 1797
SPLITS = 599  # partitions after which the first one comes again
OFFSET = 4  # the right digit starts this many pixels right of and below the left one


@cache
def _pairs(split: str, partition: int = 0) -> np.ndarray:
    """Pairs (n, 2) of rows of the file, left and right, of a split: always the same.

    Partition k begins k times the test block later in the file, and goes on at its beginning.
    """
    low, high = BLOCKS[split]
    begin = partition * (BLOCKS["test"][1] - BLOCKS["test"][0])
    rows: np.ndarray = (begin + low + draw_partners(high - low, REPEATS, PAIR_SEEDS[split])) % SCANS
    return rows


@cache
def _images(split: str, partition: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 12, 12) uint8 and labels (n, 2) of a split."""
    return _overlay(_pairs(split, partition))


def _overlay(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 12, 12) uint8 and labels (n, 2) of pairs (n, 2) of scans; where digits overlap, the brighter pixel."""
    scans, digits = read_digit_scans()
    corner = np.zeros((len(pairs), 2), dtype=int)
    left = place(scans[pairs[:, 0]], corner, CANVAS)
    right = place(scans[pairs[:, 1]], corner + OFFSET, CANVAS)
    return np.maximum(left, right), digits[pairs]


@register(
    "multidigits",
    title="Two overlapping digits, 8 x 8",
    family="digits",
    paper="after Sener, Koltun, Multi-Task Learning as Multi-Objective Optimization, NeurIPS 2018",
)
class MultiDigits(Suite):
    """Name the left and the right of two overlapping 8x8 digits (1,797 real scans, bundled with scikit-learn).

    The construction of MultiMNIST: a 12x12 canvas, the left digit at (0, 0), the right one at (4, 4),
    pixel maximum. Base digits are disjoint between the splits, and blocks of the file, because the scans
    come in runs of writers: 1000 train, 398 validation, 399 test; every one is a left digit four times.

    split: number of the partition, in [0, 598]: the blocks begin 399 rows of the file later for each, and go round its
        end. Those of 0 to 3 have no test digit in common.
    """

    resident = True
    deals_again = True

    def __init__(
        self, data_dir: Path | None = None, *, split: Annotated[int, Interval(ge=0, le=SPLITS - 1), Added()] = 0
    ) -> None:
        """Tasks and protocol; `data_dir` is not used."""
        super().__init__(data_dir)
        self.partition = split
        self.tasks = digit_tasks(partial(make_linear_head, 10))
        self.input_shape = (1, CANVAS, CANVAS)
        first = Protocol(
            name="multidigits",
            version=1,
            splits={split: (high - low) * REPEATS for split, (low, high) in BLOCKS.items()},
            split_rule="contiguous blocks of base digits, disjoint between splits; "
            "four pairs per left digit, published seeds",
            epochs=30,
            steps_per_epoch=62,
            batch_size=64,
            optimiser="adam",
            lr=1e-3,
            schedule="cosine",
            memory_format="channels_last",
            metrics=dict.fromkeys(TASKS, "classification"),
        )
        self.earlier_protocols = (first,)
        # The first rate was ten times below the best one of either end, so that boards compared speeds.
        self.protocol = first.model_copy(update={"version": 2, "lr": 5e-3, "coordinates": "mean"})

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """LeNet with convolutions of 3x3 and 8, 16 and 32 channels, times `width`."""
        return lenet(self.input_shape, (3, 3), (8, 16, 32), width, padding=1)

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Images (n, 1, 12, 12) float32 and labels of a split, the same for every seed."""
        # Grey values are 0..16; these are about their mean and deviation.
        return digit_dataset(*_images(split, self.partition), mean=4.0, std=5.5)

    def sealed(self, seed: int, draw: int) -> Dataset:
        """Pairs of test digits by the generator of `draw`, which is in no list."""
        # Test digits in pairs that no list has.
        scans = np.unique(_pairs("test", self.partition)[:, 0])
        return digit_dataset(*_overlay(scans[draw_partners(len(scans), REPEATS, draw)]), mean=4.0, std=5.5)

    def row_units(self) -> dict[str, Tensor]:
        """The scan of the digit that a task names: every one is the left digit of four rows."""
        pairs = _pairs("test", self.partition)
        units = (pairs - pairs[0, 0]) % SCANS  # the first pair has the first scan of the block on its left
        return {task: torch.from_numpy(units[:, t]) for t, task in enumerate(TASKS)}

    def checksums(self) -> dict[str, str]:
        """Of pairs and images of every split."""
        pairs = {f"pairs.{split}": checksum_arrays(_pairs(split, self.partition)) for split in BLOCKS}
        images = {f"images.{split}": checksum_arrays(*_images(split, self.partition)) for split in BLOCKS}
        return pairs | images
