"""The four data sets that papers call MultiMNIST: placement, partners, network and training of each.

All put two digits of 28x28 on a canvas of 36x36. Fields of `Variant` are what they differ in. Pairs
come from published seeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

PAIR_SEEDS = {"train": 2018_0, "val": 2018_1, "test": 2018_2}


@dataclass(frozen=True, eq=False)
class Variant:
    """One published form.

    name: of the option `variant`.
    side: pixels after the resize; 36 means none.
    overlap: how two pixels become one: the brighter, or the sum cut at white.
    partner: how right digits are drawn: any, any of another class, or each once.
    shifts: where digits lie, see `_corners`.
    normalise: mean and deviation of grey values in 0..1.
    kernels: sides of the two convolutions.
    training: fields of the protocol.
    deep_head: fifty hidden units in each head.
    channel_mask: random channels are dropped in training.
    rows: pairs of each split.
    """

    name: str
    side: int
    overlap: Literal["max", "sum"]
    partner: Literal["uniform", "different", "permutation"]
    shifts: Literal["corners", "square", "diagonal"]
    normalise: tuple[float, float]
    kernels: tuple[int, int]
    training: Mapping[str, Any]
    deep_head: bool = False
    channel_mask: bool = False
    rows: Mapping[str, int] = field(default_factory=lambda: {"train": 50_000, "val": 10_000, "test": 10_000})

    def pair(
        self, left_labels: np.ndarray, right_labels: np.ndarray, split: str, seed: int | None = None
    ) -> np.ndarray:
        """The pair list of a split, int64 (rows, 6): left, right, left row, left column, right row, right column.

        left_labels, right_labels: (rows,) classes of the base digits.
        split: `train`, `val` or `test`.
        seed: None is the published one.

        The first two are base digits, the others the top-left pixels where they are placed on the
        canvas.
        """
        generator = np.random.Generator(np.random.PCG64(PAIR_SEEDS[split] if seed is None else seed))
        left = np.arange(len(left_labels))
        partner = (
            generator.permutation(left)
            if self.partner == "permutation"
            else generator.integers(0, left.size, left.size)
        )
        # Draws again only what is of the same class: the others keep their partners.
        while self.partner == "different" and (same := left_labels == right_labels[partner]).any():
            partner[same] = generator.integers(0, left.size, int(same.sum()))
        return np.concatenate([np.stack([left, partner], axis=1), self._corners(left.size, generator)], axis=1)

    def _corners(self, rows: int, generator: np.random.Generator) -> np.ndarray:
        """Top-left pixels (rows, 4) of left and right digits on the canvas."""
        if self.shifts == "corners":  # left digit [0:28], right digit [6:34]
            return np.tile([0, 0, 6, 6], (rows, 1))
        if self.shifts == "square":  # each digit up to four pixels from its own corner, rows and columns apart
            shift = generator.integers(0, 5, (rows, 4))
            return np.concatenate([shift[:, :2], 8 - shift[:, 2:]], axis=1)
        # left at (s1, s1), right at (4 + s2, 4 + s2); (4, 0) would put one digit on the other
        # 25 pairs of shifts less one: numbers from 20 on step over the pair that would be (4, 0).
        cell = generator.integers(0, 24, rows)
        first, second = np.divmod(cell + (cell >= 20), 5)
        return np.stack([first, first, 4 + second, 4 + second], axis=1)


# Mean and deviation of MNIST's training images.
_MNIST = (0.1307, 0.3081)
# What all variants but `sener` have in common.
_LEGACY = {"batch_size": 256, "optimiser": "sgd", "momentum": 0.9}

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            name="sener",
            side=28,
            overlap="max",
            partner="uniform",
            shifts="corners",
            normalise=_MNIST,
            kernels=(5, 5),
            deep_head=True,
            training={
                "epochs": 20,
                "steps_per_epoch": 195,
                "batch_size": 256,
                "optimiser": "adam",
                "lr": 1e-3,
                "schedule": "cosine",
            },
        ),
        Variant(
            name="pareto",
            side=36,
            overlap="max",
            partner="different",
            shifts="square",
            normalise=(0.0, 1.0),
            kernels=(9, 5),
            training=_LEGACY
            | {
                "epochs": 100,
                "steps_per_epoch": 195,
                "lr": 1e-3,
                "schedule": "step",
                "decay_every": 15,
                "decay_factor": 0.5,
            },
        ),
        Variant(
            name="continuous",
            side=28,
            overlap="sum",
            partner="permutation",
            shifts="diagonal",
            normalise=_MNIST,
            kernels=(5, 5),
            training=_LEGACY | {"epochs": 30, "steps_per_epoch": 195, "lr": 1e-2, "schedule": "cosine"},
        ),
        Variant(
            name="sener_legacy",
            side=28,
            overlap="max",
            partner="uniform",
            shifts="corners",
            normalise=_MNIST,
            kernels=(5, 5),
            deep_head=True,
            channel_mask=True,
            rows={"train": 60_000, "test": 10_000},
            training=_LEGACY
            | {
                "epochs": 100,
                "steps_per_epoch": 234,
                "lr": 1e-2,
                "schedule": "constant",
                "selection": "last",
                "ranked": False,
            },
        ),
    )
}
