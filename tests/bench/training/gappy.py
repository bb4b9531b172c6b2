"""A suite whose labels are there for some rows of each task: a number, two numbers, a class."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from bench.api import (
    Classification,
    Dataset,
    Protocol,
    Regression,
    Shape,
    Split,
    Stage,
    Suite,
    Task,
    cross_entropy_loss,
    mse_loss,
)

ROWS = {"train": 24, "val": 12, "test": 12}
FEATURES, CLASSES = 4, 3
TASKS = ("one", "two", "kind")
KEPT = {"one": 0.15, "two": 0.2, "kind": 0.08}  # shares of labels: some batches of four rows have none of a task
Poison = Callable[[Tensor], Tensor]  # targets -> what stands where no label is


def decode(
    rows: Tensor, targets: dict[str, Tensor], generator: torch.Generator | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """A transform that changes nothing, so that masks are applied batch by batch."""
    return rows, targets


class Gappy(Suite):
    """Three tasks on the same rows, with masks; `poison` writes what lies under them."""

    poison: ClassVar[Poison | None] = None
    stored: ClassVar[bool] = False  # rows have a transform

    def __init__(self, data_dir: Path | None = None) -> None:
        super().__init__(data_dir)
        self.input_shape = (FEATURES,)

        def head(width: int) -> Callable[[Shape], nn.Module]:
            return lambda shape: nn.Linear(shape[0], width)

        self.tasks = [
            Task("one", head(1), mse_loss, Regression),
            Task("two", head(2), mse_loss, Regression),
            Task("kind", head(CLASSES), cross_entropy_loss, lambda: Classification(CLASSES)),
        ]
        self.protocol = Protocol(
            name="gappy",
            version=1,
            splits=ROWS,
            split_rule="independent draws",
            epochs=2,
            steps_per_epoch=6,
            batch_size=4,
            optimiser="adam",
            lr=0.05,
            schedule="constant",
            metrics={"one": "regression", "two": "regression", "kind": "classification"},
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        layers = [Stage(nn.Linear(4, 4), nn.Tanh(), output_shape=(4,)) for _ in range(2)]
        return nn.ModuleList(layers)

    def dataset(self, split: Split, seed: int) -> Dataset:
        generator = torch.Generator().manual_seed(10 * seed + list(ROWS).index(split))
        n = ROWS[split]
        x = torch.randn(n, FEATURES, generator=generator)
        targets = {"one": x.sum(1, keepdim=True), "two": x[:, :2] * 2, "kind": x[:, :CLASSES].argmax(1)}
        masks = {task: torch.rand(n, generator=generator) < KEPT[task] for task in TASKS}
        for task in TASKS:
            masks[task][list(TASKS).index(task)] = True
        masks["kind"][-1] = True
        if not self.stored:  # a task of two numbers lacks one of them in some rows
            masks["two"] = masks["two"][:, None] & (torch.rand(n, 2, generator=generator) < 0.8)
            masks["two"][1] = True
        if self.poison is not None:
            for task, target in targets.items():
                mask = masks[task].reshape(masks[task].shape + (1,) * (target.dim() - masks[task].dim()))
                targets[task] = torch.where(mask, target, type(self).poison(target))  # type: ignore[misc]
        return Dataset(dict.fromkeys(TASKS, x), targets, decode if self.stored else None, masks=masks)

    def checksums(self) -> dict[str, str]:
        return {"rows": "gappy"}


def write_anything(target: Tensor) -> Tensor:
    """NaN, infinities, huge numbers and zeros in turn; among classes the others, and such as there are none of."""
    if target.is_floating_point():
        values = torch.tensor([float("nan"), float("inf"), float("-inf"), 1e30, 0.0, -7.0])
    else:
        values = torch.tensor([0, 1, 2, -100, 999, -1])
    return values[torch.arange(target.numel()) % len(values)].reshape(target.shape).to(target.dtype)
