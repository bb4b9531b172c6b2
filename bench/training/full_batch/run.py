"""Full-batch runs: the model is fitted to all training rows at once, without epochs."""

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.records import Cost, Packed, RunSpec, Solution
from bench.training.effective_sharing import effective_sharing
from bench.training.environment import hardware, peak_memory_mb, reset_peak_memory, settle_devices, versions
from bench.training.evaluate import predicting
from bench.training.examine import TrainedCell
from bench.training.model import MultiTaskModel
from bench.training.rows import read_split
from bench.training.watch import OnEpoch

CPU = torch.device("cpu")
DIGITS = 9


@dataclass(frozen=True)
class Answer:
    """How a fit ended, what it learned about the tasks, and what it cost; `weights` (d, T) where models are linear."""

    solution: Solution
    weights: Tensor | None
    matrices: Mapping[str, Tensor]
    parameters: int
    forward_flops: int
    step_ms: float
    packages: tuple[str, ...] = ()  # whose versions matter beside those that every record has


class FullBatchRun(ABC):
    """One cell: `answer` sets the parameters of `model` from the training rows; then the test split is read once."""

    def __init__(self, spec: RunSpec, suite: Suite, method: Method) -> None:
        self.spec, self.suite, self.method, self.protocol = spec, suite, method, spec.protocol
        self.model = MultiTaskModel(suite, method, self.protocol, spec.seed).double()

    @abstractmethod
    def answer(self, train: Dataset, on_epoch: OnEpoch | None = None) -> Answer:
        """Choose what is open and fit the model, by the training rows alone."""

    def data(self, split: Any) -> Dataset:
        """A split in float64."""
        return read_split(self.suite, self.spec, split)

    def train(self, on_epoch: OnEpoch | None = None) -> TrainedCell:
        """Fit the model; the test split is not read."""
        settle_devices()
        gc.collect()
        reset_peak_memory(CPU)
        train = self.data("train")
        start, began = self.model.copies(), time.perf_counter()
        found = self.answer(train, on_epoch)
        seconds, tasks = time.perf_counter() - began, self.model.reported
        fields = {
            "tasks": tasks,
            "selection": {"val": dict.fromkeys(tasks, 1)},
            "solution": found.solution,
            "environment": versions(*found.packages),
            "cost": Cost(
                parameters=found.parameters,
                forward_flops=found.forward_flops,
                step_ms=round(found.step_ms, 4),
                train_seconds=round(seconds, 3),
                peak_memory_mb=round(peak_memory_mb(CPU), 1),
                hardware=hardware(CPU),
            ),
            "data": self.suite.checksums(),
            "matrices": {name: Packed.pack(matrix.numpy()) for name, matrix in found.matrices.items()},
            "effective_sharing": effective_sharing(start, self.model.copies()),
        }
        epochs = {"val": dict.fromkeys(tasks, (1,))}
        return TrainedCell(fields, epochs, lambda _: predicting([(self.model, TrainState())]), found.weights)


def rounded(value: float) -> float:
    """As records store numbers of a fit."""
    return float(f"{value:.{DIGITS}g}")
