"""Full-batch runs: the model is fitted to all training rows at once, without epochs.

What `Solved` and `Inferred` have in common: reading the rows, measuring the cost, and the fields of the record. They
run in float64, on the CPU.
"""

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.linear.rows import TaskRows
from bench.loop.effective_sharing import effective_sharing
from bench.records import Cost, Packed, RunSpec, Solution
from bench.scores import primary_error
from bench.training.environment import hardware, peak_memory_mb, reset_peak_memory, settle_devices, versions
from bench.training.evaluate import evaluate, evaluation_mode
from bench.training.model import MultiTaskModel
from bench.training.rows import read_split, tally_labels
from bench.training.select import Snapshot
from bench.training.trained_cell import TrainedCell
from bench.training.watch import OnEpoch

CPU = torch.device("cpu")
DIGITS = 9  # significant digits of stored numbers


@dataclass(frozen=True)
class Answer:
    """The result of a fit.

    Args:
        solution: objective, certificate and chosen strength, as the record keeps them.
        weights: (d, T) where models are linear.
        matrices: name -> matrix of what was learned about the tasks.
        parameters: how many numbers were fitted.
        forward_flops: operations to predict one row of every task.
        step_ms: mean time of one iteration, in milliseconds.
        packages: whose versions the record lists besides those of every record.
    """

    solution: Solution
    weights: Tensor | None
    matrices: Mapping[str, Tensor]
    parameters: int
    forward_flops: int
    step_ms: float
    packages: tuple[str, ...] = ()


class FullBatchRun(ABC):
    """One cell: `answer` sets the parameters of `model` from the training rows; then the test split is read once.

    There is one set of weights, recorded as the last epoch under every rule of selection: whatever is open is chosen on
    training rows, by cross-validation or by an inference of its own. `in_weights` says that predictions need nothing
    but the weights of the model.
    """

    in_weights: ClassVar[bool] = True

    def __init__(self, spec: RunSpec, suite: Suite, method: Method) -> None:
        self.spec, self.suite, self.method, self.protocol = spec, suite, method, spec.protocol
        self.model = MultiTaskModel(suite, method, self.protocol, spec.seed).double()

    @abstractmethod
    def answer(self, train: Dataset, on_epoch: OnEpoch | None = None) -> Answer:
        """Choose open options and fit the model, by the training rows alone. `on_epoch` reports progress."""

    def data(self, split: Any) -> Dataset:
        """A split in float64, also where networks are trained in another type."""
        return read_split(self.suite, self.spec, split).to(CPU, torch.float64, torch.contiguous_format)

    def read_rows(self, train: Dataset) -> TaskRows:
        """The training rows of every task, of those that have a label of it.

        Copies: what fits a model to them must not change the data, which other runs of this process read too.
        """
        names = [task.name for task in self.model.tasks]
        inputs, targets = train.take([torch.arange(len(x)) for x, _ in train.groups])
        return TaskRows.keep_labelled([inputs[t] for t in names], [targets[t].flatten() for t in names], names)

    def train(self, on_epoch: OnEpoch | None = None) -> TrainedCell:
        """Fit the model; the test split is not read.

        Returns:
            The trained cell, with cost, solution, learned matrices and effective sharing among its fields.
        """
        settle_devices()
        gc.collect()  # memory of earlier runs in this process should not count for this one
        reset_peak_memory(CPU)
        train = self.data("train")
        start, began = self.model.copies(), time.perf_counter()
        answer = self.answer(train, on_epoch)
        seconds, tasks = time.perf_counter() - began, self.model.reported
        fields = {
            "tasks": tasks,
            "selection": {rule: dict.fromkeys(tasks, self.protocol.epochs) for rule in self.protocol.rules},
            "solution": answer.solution,
            "environment": versions(*answer.packages),
            "cost": Cost(
                parameters=answer.parameters,
                forward_flops=answer.forward_flops,
                step_ms=round(answer.step_ms, 4),
                train_seconds=round(seconds, 3),
                peak_memory_mb=round(peak_memory_mb(CPU), 1),
                hardware=hardware(CPU),
            ),
            "data": self.suite.checksums(),
            "labels": tally_labels("train", train, self.suite.tasks),
            "matrices": {name: Packed.pack(matrix.numpy()) for name, matrix in answer.matrices.items()},
            "effective_sharing": effective_sharing(start, self.model.copies()),
        }
        if self.spec.overrides and "val" in self.protocol.splits:
            fields["validation"] = self._validate()
        epochs = {rule: dict.fromkeys(tasks, (self.protocol.epochs,)) for rule in self.protocol.rules}
        return TrainedCell(
            fields,
            epochs,
            lambda _: evaluation_mode([(self.model, TrainState())]),
            answer.weights,
            (lambda _: [Snapshot(self.model.state_dict(), TrainState())]) if self.in_weights else None,
        )

    def _validate(self) -> dict[str, float]:
        """The primary error of each task on validation, by which a curve over a setting chooses."""
        states, kinds = evaluate([(self.model, TrainState())], self.data("val")), self.protocol.metrics
        return {task: round_digits(primary_error(kinds[task], state)) for task, state in states.items()}


def round_digits(value: float) -> float:
    """`value` to DIGITS significant digits, as records store the numbers of a fit."""
    return float(f"{value:.{DIGITS}g}")
