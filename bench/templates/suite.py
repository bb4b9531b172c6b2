"""`my_suite`, a suite: tasks, data, backbone and protocol. A table or images need none: `mtlbench data import`."""

from pathlib import Path
from typing import Annotated

import torch
from torch import nn

from bench.api import (
    Classification,
    Dataset,
    Interval,
    Protocol,
    Regression,
    Split,
    Suite,
    Task,
    cross_entropy_loss,
    derive_seed,
    digest,
    mse_loss,
    register,
)
from bench.backbones.mlp import mlp

FEATURES = 10
ROWS = {"train": 400, "val": 200, "test": 400}


@register("my_suite", version=1)  # move the version when numbers change: stored runs then keep their meaning
class MySuite(Suite):
    """Two tasks on the same rows x ~ N(0, I): y = w.x + e, a regression, and whether v.x > 0, two classes.

    noise: standard deviation of e.
    """

    # Options, after `*`, are variants of the suite: my_suite:noise=0.5. Nothing is read here: a plan builds suites.
    def __init__(self, data_dir: Path | None = None, *, noise: Annotated[float, Interval(gt=0, le=10)] = 0.1) -> None:
        super().__init__(data_dir)
        self.noise, self.input_shape = noise, (FEATURES,)  # the shape of one row, without the batch
        # A task is a head on the features, a loss (a mean over labelled elements) and a metric.
        self.tasks = [
            Task("amount", lambda shape: nn.Linear(shape[0], 1), mse_loss, Regression),
            Task("sign", lambda shape: nn.Linear(shape[0], 2), cross_entropy_loss, lambda: Classification(2)),
        ]
        # How every method is trained and selected; `mtlbench protocol my_suite` prints it.
        self.protocol = Protocol(
            name="my_suite",
            version=1,
            splits=ROWS,
            split_rule="independent draws, anew for each seed",
            epochs=10,
            steps_per_epoch=12,
            batch_size=32,
            optimiser="adam",
            lr=3e-3,
            schedule="cosine",
            metrics={"amount": "regression", "sign": "classification"},
        )

    # The stages that a method may share, in order. `width` multiplies the channels.
    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return mlp(FEATURES, (64, 64), width)

    # Change this first: read your rows here, under `self.data_dir`, and raise DataMissing where they are not there.
    # Tasks that share rows hold the very same tensor. The test split is read once, after training.
    def dataset(self, split: Split, seed: int) -> Dataset:
        truth = torch.Generator().manual_seed(derive_seed("my_suite", seed))
        sample = torch.Generator().manual_seed(derive_seed("my_suite", seed, split))
        weights = torch.randn(FEATURES, 2, generator=truth)
        x = torch.randn(ROWS[split], FEATURES, generator=sample)
        noise = self.noise * torch.randn(len(x), generator=sample)
        targets = {"amount": (x @ weights[:, 0] + noise)[:, None], "sign": (x @ weights[:, 1] > 0).long()}
        return Dataset(dict.fromkeys(targets, x), targets)

    # Everything about the data that can change a number; of files, the SHA-256 of their bytes.
    def checksums(self) -> dict[str, str]:
        return {"generator": digest([FEATURES, self.noise, ROWS])}
