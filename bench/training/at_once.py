"""A run that is fitted to all training rows at once, in place of updates."""

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.method import Method
from bench.records import Cost, Packed, RunSpec, Solution
from bench.scores import score_tasks
from bench.training.environment import hardware, peak_memory_mb, reset_peak_memory, settle_devices, versions
from bench.training.evaluate import evaluate
from bench.training.model import MultiTaskModel
from bench.training.sharing import effective_sharing
from bench.training.watch import OnEpoch

CPU = torch.device("cpu")
LARGEST = 40  # tasks of which a covariance is stored
DIGITS = 9


@dataclass(frozen=True)
class Answer:
    """How a fit ended, what it learned about the tasks, and what it cost."""

    solution: Solution
    matrices: Mapping[str, Tensor]
    parameters: int
    forward_flops: int
    step_ms: float
    packages: tuple[str, ...] = ()  # whose versions matter beside those that every record has


class AtOnce(ABC):
    """One cell: `answer` sets the parameters of `model` from the training rows; then the test split is read once."""

    def __init__(self, spec: RunSpec, suite: Suite, method: Method) -> None:
        self.spec, self.suite, self.method, self.protocol = spec, suite, method, spec.protocol
        self.model = MultiTaskModel(suite, method, self.protocol, spec.seed).double()

    @abstractmethod
    def answer(self, train: Dataset, on_epoch: OnEpoch | None = None) -> Answer:
        """Choose what is open and fit the model, by the training rows alone."""

    def data(self, split: Any) -> Dataset:
        """A split in float64."""
        rows = self.suite.dataset(split, self.spec.seed)
        if split == "train" and self.protocol.shuffled:
            rows = rows.shuffled(self.protocol.shuffled, self.spec.seed)
        return rows.to(CPU, torch.float64, torch.contiguous_format)

    def result(self, on_epoch: OnEpoch | None = None) -> dict[str, Any]:
        """Fit, then read the test split; the fields of a finished record."""
        settle_devices()
        gc.collect()
        reset_peak_memory(CPU)
        train = self.data("train")
        start, began = self.model.copies(), time.perf_counter()
        found = self.answer(train, on_epoch)
        seconds = time.perf_counter() - began
        states, kinds = evaluate([(self.model, TrainState())], self.data("test")), self.protocol.metrics
        return {
            "tasks": self.model.reported,
            "statistics": {"val": states},
            "scores": {"val": score_tasks(kinds, states, "test")},
            "selection": {"val": dict.fromkeys(self.model.reported, 1)},
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

    def described(self, weights: Tensor) -> dict[str, Tensor]:
        """What was recovered, each beside the truth where that is known.

        A support is left out where all is in use, and in truth too.
        """
        shown = described(weights)
        truth = self.suite.known_weights(self.spec.seed)
        known = {} if truth is None else described(truth)
        if all(bool(part["support"].all()) for part in (shown, known) if part):
            shown.pop("support")  # every weight is in use, as it should be
        pairs = {name: part for key in shown for name, part in ((key, shown), (f"true {key}", known)) if key in part}
        return {name: part[name.removeprefix("true ")] for name, part in pairs.items()}


def learned(matrices: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What was learned about the tasks, of sizes that a record stores."""
    return {f"learned {name}": matrix for name, matrix in matrices.items() if matrix.shape[-1] <= LARGEST}


def described(W: Tensor) -> dict[str, Tensor]:
    """Weights (d, T) as people look at them: their support, their spectrum and the covariance of the tasks.

    1 where a weight is not 0; singular values over the largest; W^T W over the mean of its diagonal (up to 40 tasks).
    All lie in one range, so that one scale of colours does.
    """
    values = torch.linalg.svdvals(W)
    found = {"support": (W != 0).double()}
    found["spectrum"] = (values / values[0].clamp(min=torch.finfo(W.dtype).tiny))[None]
    if W.shape[1] <= LARGEST:
        gram = W.T @ W
        found["covariance"] = gram / gram.diagonal().mean().clamp(min=torch.finfo(W.dtype).tiny)
    return found


def rounded(value: float) -> float:
    """As records store numbers of a fit."""
    return float(f"{value:.{DIGITS}g}")
