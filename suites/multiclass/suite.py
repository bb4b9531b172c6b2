"""One problem of ten classes in two forms: a task of ten classes, or ten tasks of a class against the rest."""

from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import nn

from bench.api import (
    Classification,
    Dataset,
    Interval,
    OneAgainstRest,
    Protocol,
    Split,
    Suite,
    Task,
    bce_loss,
    cross_entropy_loss,
    derive_seed,
    register,
)
from bench.backbones.mlp import mlp
from suites._shared.digits import read_digit_scans
from suites._shared.heads import make_linear_head
from suites._shared.overlay import checksum_arrays

CLASSES = 10
PIXELS = 64
GREY = 16.0  # the largest value of a pixel
HIDDEN = (64, 64)  # units of the network
VALIDATION, TEST = 398, 399  # scans
MOST = 1797 - VALIDATION - TEST  # scans that are left for training
DECISION = "digit"  # the name of the decision, in either form


@register(
    "multiclass",
    title="Ten digits, one by one or at once",
    family="digits",
    paper="after Rifkin, Klautau, In Defense of One-Vs-All Classification, JMLR 5, 2004",
)
class DigitClasses(Suite):
    """Name a handwritten digit (1,797 real scans of 8x8, bundled with scikit-learn), in one of two forms.

    `rest`: ten binary tasks, a class against the rest, each with a logit z_t; the digit is the t with the highest z_t.
    `one`: one task of ten classes, the logits of a softmax. Either is scored by the accuracy of the digit, under the
    same name, on the same rows: training, validation and test scans are drawn anew for each seed, 398 and 399 scans of
    the last two.

    form: `rest` or `one`.
    train: training scans; those of a smaller number are among those of a larger one.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        form: Literal["rest", "one"] = "rest",
        train: Annotated[int, Interval(ge=50, le=MOST)] = MOST,
    ) -> None:
        super().__init__(data_dir)
        self.form, self.rows = form, {"train": train, "val": VALIDATION, "test": TEST}
        self.input_shape = (PIXELS,)
        if form == "rest":
            names = [f"digit{k}" for k in range(CLASSES)]
            metric = partial(OneAgainstRest, names)
            self.tasks = [Task(name, partial(make_linear_head, 1), bce_loss, metric, DECISION) for name in names]
        else:
            whole = partial(Classification, CLASSES)
            self.tasks = [Task(DECISION, partial(make_linear_head, CLASSES), cross_entropy_loss, whole)]
        self.protocol = Protocol(
            name="multiclass",
            version=1,
            splits=self.rows,
            split_rule="scans at random, anew for each seed",
            epochs=40,
            steps_per_epoch=20,
            batch_size=min(50, train),
            optimiser="adam",
            lr=5e-3,
            weight_decay=1e-3,
            schedule="cosine",
            coordinates="mean",
            overlapping=True,
            metrics={DECISION: OneAgainstRest.kind if form == "rest" else Classification.kind},
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """Two layers of 64 units, times `width`."""
        return mlp(PIXELS, HIDDEN, width)

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Pixels (n, 64) in [0, 1], float32, and the digits of a split: (n,) int64, or (n, 1) 0 or 1 for each task."""
        x, y = _deal(split, seed, self.rows["train"])
        if self.form == "one":
            return Dataset({DECISION: x}, {DECISION: y})
        return Dataset(
            {task.name: x for task in self.tasks},
            {task.name: (y == k).float()[:, None] for k, task in enumerate(self.tasks)},
        )

    def checksums(self) -> dict[str, str]:
        """Of the scans, and of the order in which the first seed deals them."""
        return {"scans": checksum_arrays(*read_digit_scans()), "order": checksum_arrays(_draw_order(0))}


def _draw_order(seed: int) -> np.ndarray:
    """The rows of the file in the order of `seed`, int64 (1797,): test, validation and training scans."""
    generator = np.random.Generator(np.random.PCG64(derive_seed("multiclass", seed)))
    return generator.permutation(len(read_digit_scans()[1]))


@cache
def _deal(split: Split, seed: int, train: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels (n, 64) and digits (n,) of a split, kept for the runs that follow."""
    images, digits = read_digit_scans()
    low = {"test": 0, "val": TEST, "train": TEST + VALIDATION}[split]
    count = {"test": TEST, "val": VALIDATION, "train": train}[split]
    rows = _draw_order(seed)[low : low + count]
    return torch.from_numpy(images[rows].reshape(count, PIXELS) / GREY).float(), torch.from_numpy(digits[rows])
