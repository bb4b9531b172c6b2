"""A suite in which one task takes the place of every other: what more heads do without more information.

Behind the `replica` control of boards, which separates a gain by knowledge of other tasks from a gain by T gradients.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.core.data import Dataset
from bench.core.suite import Split, Suite
from bench.errors import UsageError


class Replicas(Suite):
    """T tasks that are all the task `main` of a suite of T tasks: `main`, `main_2`, ..., `main_T`.

    They share inputs and targets, and each has a head of its own. With heads that start alike, the trunk's
    gradient is T times the gradient of `main` alone, so that under SGD it is `main` alone at T times the trunk's rate.
    Raises UsageError where the tasks have inputs of their own: copies would use more rows of an update.
    """

    def __init__(self, suite: Suite, main: str) -> None:
        super().__init__(suite.data_dir)
        if suite.own_inputs:
            raise UsageError("`replica` should be used on a suite whose tasks share their inputs.")
        self.suite, self.main = suite, main
        [task] = [task for task in suite.tasks if task.name == main]
        names = [main, *(f"{main}_{number}" for number in range(2, len(suite.tasks) + 1))]
        self.tasks = [replace(task, name=name) for name in names]
        self.input_shape = suite.input_shape
        self.protocol = suite.protocol.model_copy(
            update={"replica": main, "metrics": dict.fromkeys(names, suite.protocol.metrics[main])}
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return self.suite.backbone(width)

    def dataset(self, split: Split, seed: int) -> Dataset:
        """The rows of the suite, with the targets of `main` for every task once rows are transformed."""
        rows = self.suite.dataset(split, seed)
        names = [task.name for task in self.tasks]
        units = dict.fromkeys(names, rows.units[self.main]) if self.main in rows.units else {}
        if rows.transform is None:
            main = dict.fromkeys(names, rows.targets[self.main])
            return Dataset(dict.fromkeys(names, rows.inputs[self.main]), main, dtype=rows.dtype, units=units)
        transform, masks = rows.transform, rows.masks or {}
        stored = dict(zip(names, rows.targets, strict=True))

        # Targets are replaced after the transform of the suite, which may need those of the other tasks too, as when
        # it crops all of them alike.

        def copy_target(
            inputs: Tensor, targets: dict[str, Tensor], generator: torch.Generator | None
        ) -> tuple[Tensor, dict[str, Tensor]]:
            """A batch with the targets of `main` under every name."""
            own = {stored[name]: target for name, target in targets.items()}
            inputs, own = transform(inputs, own, generator)
            return inputs, dict.fromkeys(names, own[self.main])

        return Dataset(
            dict.fromkeys(names, rows.inputs[self.main]),
            {name: rows.targets[task] for name, task in stored.items()},
            copy_target,
            rows.dtype,
            dict.fromkeys(names, masks[self.main]) if self.main in masks else None,
            units,
        )

    def data_status(self) -> dict[str, str]:
        return self.suite.data_status()

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        return self.suite.prepare_data(source)

    def checksums(self) -> dict[str, str]:
        return self.suite.checksums()
