"""A source of many rows and a target of few: when to learn them together, and when one after the other."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import Dataset, Interval, Protocol, derive_seed, register
from bench.backbones.mlp import mlp
from suites._shared.drawn import DrawnRegression

DIMENSION = 10  # inputs
FEATURES = 4  # that every label reads
SLOPE = 2.0  # of a feature where its argument is 0
HIDDEN = (32, 32)  # units of the network
NAMES = ("source", "target")
ROWS = {"val": 500, "test": 1000}  # of each task
BATCH = 64  # rows of an update, of both tasks together
FORM = "y_t = a_t . phi_t(x_t) + noise; phi_tk(x) = tanh(2 w_tk . x); |w_tk| = |a_t| = 1; x_t ~ N(shift_t u, I)"


@dataclass(frozen=True)
class SourceAndTarget:
    """The functions behind the labels.

    directions: (2, K, d), unit vectors w_tk of source and target.
    weights: (2, K), unit vectors a_t.
    centre: (d,), the unit vector u along which inputs of the target lie elsewhere.
    """

    directions: np.ndarray
    weights: np.ndarray
    centre: np.ndarray

    @classmethod
    def draw(cls, seed: int, relation: float) -> "SourceAndTarget":
        """The functions of `seed`; features of the target are sqrt(relation) w_k + sqrt(1 - relation) v_k."""
        generator = np.random.Generator(np.random.PCG64(derive_seed("transfer", seed)))
        first, own = generator.standard_normal((2, FEATURES, DIMENSION))
        weights, centre = generator.standard_normal((2, FEATURES)), generator.standard_normal(DIMENSION)
        directions = np.stack([first, np.sqrt(relation) * first + np.sqrt(1 - relation) * own])
        return cls(
            directions / np.linalg.norm(directions, axis=-1, keepdims=True),
            weights / np.linalg.norm(weights, axis=-1, keepdims=True),
            centre / np.linalg.norm(centre),
        )

    def features(self, x: np.ndarray, task: int) -> np.ndarray:
        """phi_t(x), (n, K), of rows (n, d)."""
        found: np.ndarray = np.tanh(SLOPE * (x @ self.directions[task].T))
        return found


@register("transfer", title="A source and a target", family="generated, truth known")
class TransferPair(DrawnRegression[tuple[int, int]]):
    """y_t = a_t . phi_t(x_t) + e, phi_tk(x) = tanh(2 w_tk . x), e ~ N(0, noise^2), of a source and a target.

    x_source ~ N(0, I_10), x_target ~ N(shift u, I_10), |u| = 1. Each task has a unit vector a_t of its own over four
    features. No predictor has an expected rmse below `noise`. Data is drawn anew for each seed, the same for every
    method.

    source: training rows of the source.
    target: training rows of the target.
    relation: 1, both read the same features; 0, the target has features of its own; between them the directions are
        mixed, sqrt(relation) w_k + sqrt(1 - relation) v_k.
    shift: how far the target's inputs lie from the source's, in standard deviations of an input along u.
    noise: standard deviation of the label noise, the Bayes rmse.
    """

    own_inputs = True

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        source: Annotated[int, Interval(ge=16, le=100_000)] = 1000,
        target: Annotated[int, Interval(ge=16, le=100_000)] = 50,
        relation: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        shift: Annotated[float, Interval(ge=0, le=10)] = 0.0,
        noise: Annotated[float, Interval(gt=0, le=1000)] = 0.1,
    ) -> None:
        rows = {"train": (source, target), **{split: (each, each) for split, each in ROWS.items()}}
        super().__init__(data_dir, NAMES, noise, rows)
        self.input_shape = (DIMENSION,)
        self.relation, self.shift = relation, shift
        self.protocol = Protocol(
            name="transfer",
            version=1,
            splits={split: sum(rows) for split, rows in self.rows.items()},
            split_rule="independent draws, anew for each seed",
            epochs=120,
            steps_per_epoch=10,
            batch_size=BATCH,
            optimiser="adam",
            lr=5e-3,
            weight_decay=1e-3,
            schedule="cosine",
            coordinates="mean",
            metrics=dict.fromkeys(NAMES, "regression"),
        )

    def truth(self, seed: int) -> SourceAndTarget:
        """The functions behind the labels of `seed`."""
        return SourceAndTarget.draw(seed, self.relation)

    def known_features(self, seed: int, x: Tensor) -> dict[str, Tensor]:
        """The features that the source's labels are made of, at rows `x`."""
        found = self.truth(seed).features(x.double().cpu().numpy(), 0)
        return {f"feature {k}": torch.from_numpy(each) for k, each in enumerate(found.T, 1)}

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """Two layers of 32 units, times `width`."""
        return mlp(DIMENSION, HIDDEN, width)

    def draw(self, seed: int, stream: tuple[str | int, ...], rows: tuple[int, int]) -> Dataset:
        return _draw(seed, stream, self.relation, self.shift, self.noise, rows)

    def checksums(self) -> dict[str, str]:
        """Of the formula, the dials and the first labels."""
        return self.checksum_generator(FORM, DIMENSION, FEATURES, self.relation, self.shift, self.noise)


@cache
def _draw(
    seed: int, stream: tuple[str | int, ...], relation: float, shift: float, noise: float, rows: tuple[int, int]
) -> Dataset:
    """Rows of the problem of `seed`, kept for the runs that follow.

    stream: names the split, or what else they are drawn for.
    rows: of source and target.

    Returns inputs (n_t, d) and targets (n_t, 1) of both tasks, float32.
    """
    functions = SourceAndTarget.draw(seed, relation)
    inputs, targets = {}, {}
    for t, name in enumerate(NAMES):
        # A stream for each task: more rows of the source leave those of the target as they are.
        sample = np.random.Generator(np.random.PCG64(derive_seed("transfer", seed, *stream, name)))
        x = sample.standard_normal((rows[t], DIMENSION)) + (shift * functions.centre if t else 0.0)
        # Labels are of the rounded inputs, which the network sees.
        seen = torch.from_numpy(x).float()
        clean = functions.features(seen.double().numpy(), t) @ functions.weights[t]
        y = clean + noise * sample.standard_normal(rows[t])
        inputs[name], targets[name] = seen, torch.from_numpy(y).float().unsqueeze(1)
    return Dataset(inputs, targets)
