"""Regression tasks over hidden features that are the tasks' own or common to all, with a known Bayes error."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import nn

from bench.api import Dataset, Interval, Protocol, derive_seed, register
from bench.backbones.mlp import mlp
from suites._shared.drawn import DrawnRegression, number_tasks

DIMENSION = 10  # inputs
FEATURES = 4  # that every label reads
SLOPE = 2.0  # of a feature where its argument is 0
HIDDEN = (32, 32)  # units of the network
ROWS = {"val": 500, "test": 1000}  # of each task
BATCH = 16  # rows of each task in an update
FORM = "y_t = a_t . phi(x) / s + noise; phi_k(x) = tanh(2 w_k . x); |w_k| = |a_t| = 1"

Relation = Literal["shared", "own"]


@dataclass(frozen=True)
class HiddenFeatures:
    """The functions behind the labels.

    directions: (T, K, d), unit vectors w_tk; the same for all tasks where features are shared.
    weights: (T, K), unit vectors a_t.
    """

    directions: np.ndarray
    weights: np.ndarray

    @classmethod
    def draw(cls, seed: int, tasks: int, truth: Relation) -> "HiddenFeatures":
        """The functions of `seed`, the same for every split.

        tasks: T.
        truth: whether the directions are those of the first task in all of them.
        """
        generator = np.random.Generator(np.random.PCG64(derive_seed("deep_synthetic", seed)))
        directions = generator.standard_normal((tasks, FEATURES, DIMENSION))
        weights = generator.standard_normal((tasks, FEATURES))
        if truth == "shared":
            directions = np.broadcast_to(directions[:1], directions.shape)
        return cls(
            directions / np.linalg.norm(directions, axis=-1, keepdims=True),
            weights / np.linalg.norm(weights, axis=-1, keepdims=True),
        )

    def labels(self, x: np.ndarray, task: int) -> np.ndarray:
        """a_t . phi_t(x) / s: labels (n,) without noise.

        x: rows (n, d) float64.
        task: t, from 0.
        """
        features = np.tanh(SLOPE * (x @ self.directions[task].T))
        labels: np.ndarray = features @ self.weights[task] / _DEVIATION
        return labels


def _feature_deviation() -> float:
    """s = sqrt(E tanh(2 z)^2), z ~ N(0, 1), by Gauss-Hermite quadrature: so labels have a variance near 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    return float(np.sqrt((weights * np.tanh(SLOPE * nodes) ** 2).sum() / weights.sum()))


_DEVIATION = _feature_deviation()


@register("deep_synthetic", title="Regressions over hidden features", family="generated, truth known")
class DeepSynthetic(DrawnRegression[int]):
    """y_t = a_t . phi_t(x) / s + e, phi_tk(x) = tanh(2 w_tk . x), x ~ N(0, I_10), e ~ N(0, noise^2), four features.

    Every task has rows of its own and a unit vector a_t of its own; s makes the variance of a_t . phi_t about 1. No
    predictor has an expected rmse below `noise`. Data is drawn anew for each seed, the same for every method.

    truth: `shared`, one phi for all tasks: a representation that few rows of many tasks can find together; `own`, each
        task has features of its own, and a common trunk of 32 units has to hold all of them.
    tasks: number of tasks, 2 to 64.
    train: training rows of each task.
    noise: standard deviation of the label noise, the Bayes rmse.
    """

    own_inputs = True

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        truth: Relation = "shared",
        tasks: Annotated[int, Interval(ge=2, le=64)] = 8,
        train: Annotated[int, Interval(ge=BATCH, le=100_000)] = 100,
        noise: Annotated[float, Interval(gt=0, le=1000)] = 0.1,
    ) -> None:
        super().__init__(data_dir, number_tasks(tasks), noise, {"train": train, **ROWS})
        self.input_shape = (DIMENSION,)
        self.relation = truth
        self.protocol = Protocol(
            name="deep_synthetic",
            version=1,
            splits={split: rows * tasks for split, rows in self.rows.items()},
            split_rule="independent draws, anew for each seed",
            epochs=120,
            steps_per_epoch=10,
            batch_size=BATCH * tasks,
            optimiser="adam",
            lr=5e-3,
            weight_decay=1e-3,
            schedule="cosine",
            coordinates="mean",
            metrics=dict.fromkeys(self.names, "regression"),
        )

    def truth(self, seed: int) -> HiddenFeatures:
        """The functions behind the labels of `seed`."""
        return HiddenFeatures.draw(seed, len(self.names), self.relation)

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """Two layers of 32 units, times `width`."""
        return mlp(DIMENSION, HIDDEN, width)

    def draw(self, seed: int, stream: tuple[str | int, ...], rows: int) -> Dataset:
        return _draw(seed, stream, len(self.names), self.relation, self.noise, rows)

    def checksums(self) -> dict[str, str]:
        """Of the formula, the dials and the first labels."""
        return self.checksum_generator(FORM, DIMENSION, FEATURES, self.relation, self.noise)


@cache
def _draw(seed: int, stream: tuple[str | int, ...], tasks: int, truth: Relation, noise: float, rows: int) -> Dataset:
    """Rows of the problem of `seed`, kept for the runs that follow.

    stream: names the split, or what else they are drawn for.
    rows: of each task.

    Returns inputs (rows, d) and targets (rows, 1) of every task, float32.
    """
    functions = HiddenFeatures.draw(seed, tasks, truth)
    sample = np.random.Generator(np.random.PCG64(derive_seed("deep_synthetic", seed, *stream)))
    inputs, targets = {}, {}
    for t in range(tasks):
        x = torch.from_numpy(sample.standard_normal((rows, DIMENSION))).float()
        # From the rounded inputs, which the network sees.
        y = functions.labels(x.double().numpy(), t) + noise * sample.standard_normal(rows)
        inputs[f"task{t:02d}"] = x
        targets[f"task{t:02d}"] = torch.from_numpy(y).float().unsqueeze(1)
    return Dataset(inputs, targets)
