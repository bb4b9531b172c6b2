"""Sets of labels as binary tasks: features in common or not, and noise in common or not."""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from scipy.special import ndtr
from torch import nn

from bench.api import (
    Dataset,
    Interval,
    MultiLabel,
    Protocol,
    Task,
    bce_loss,
    derive_seed,
    digest,
    register,
)
from bench.backbones.mlp import mlp
from suites._shared.drawn import DrawnSuite
from suites._shared.heads import make_linear_head

DIMENSION = 10  # inputs
FEATURES = 4  # that every label reads
SLOPE = 2.0  # of a feature where its argument is 0
HIDDEN = (32, 32)  # units of the network
ROWS = {"val": 500, "test": 1000}
POOL = "labels"  # the name that tasks are scored together under
FORM = "y_t = [a_t . phi_t(x) + noise e_t > 0]; phi_tk(x) = tanh(2 w_tk . x); e_t = sqrt(c) g + sqrt(1 - c) h_t"


@dataclass(frozen=True)
class LabelTruth:
    """The functions behind the labels.

    directions: (T, K, d), unit vectors w_tk.
    weights: (T, K), unit vectors a_t.
    noise: standard deviation of the noise in the argument of a label.
    """

    directions: np.ndarray
    weights: np.ndarray
    noise: float

    @classmethod
    def draw(cls, seed: int, tasks: int, relation: float, noise: float) -> "LabelTruth":
        """The functions of `seed`; directions of label t are sqrt(relation) w_k + sqrt(1 - relation) v_tk.

        Each label has a stream of its own: further labels leave the first ones as they are.
        """
        first = _stream(seed, "features").standard_normal((FEATURES, DIMENSION))
        own, weights = np.empty((tasks, FEATURES, DIMENSION)), np.empty((tasks, FEATURES))
        for t in range(tasks):
            stream = _stream(seed, "label", t)
            own[t], weights[t] = stream.standard_normal((FEATURES, DIMENSION)), stream.standard_normal(FEATURES)
        directions = np.sqrt(relation) * first + np.sqrt(1 - relation) * own
        return cls(
            directions / np.linalg.norm(directions, axis=-1, keepdims=True),
            weights / np.linalg.norm(weights, axis=-1, keepdims=True),
            noise,
        )

    def signals(self, x: np.ndarray) -> np.ndarray:
        """a_t . phi_t(x), (n, T), of rows (n, d)."""
        features = np.tanh(SLOPE * np.einsum("nd,tkd->ntk", x, self.directions))
        found: np.ndarray = np.einsum("ntk,tk->nt", features, self.weights)
        return found

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """P(y_t = 1 | x) = Phi(a_t . phi_t(x) / noise), (n, T): the same at every correlation."""
        found: np.ndarray = ndtr(self.signals(x) / self.noise)
        return found


def least_hamming_loss(p: np.ndarray) -> float:
    """The share of labels that the best prediction has wrong, the mean of min(p, 1 - p), p (n, T) in [0, 1]."""
    return float(np.minimum(p, 1 - p).mean())


def best_subset_accuracy(p: np.ndarray, correlation: float) -> float:
    """The share of rows that the best prediction has right as a whole, at the ends of the dial.

    At 0 labels are independent given the row: the product over labels of max(p, 1 - p). At 1 one number g decides them
    all, in the order of p: of p sorted descending, with 1 before and 0 after, the first k labels are there with
    probability p_k - p_(k+1), and the best prediction is the largest of these.

    p: probabilities (n, T) of the labels.

    Raises ValueError between the ends, where there is no closed form.
    """
    if correlation == 0:
        return float(np.maximum(p, 1 - p).prod(axis=1).mean())
    if correlation == 1:
        return float(-np.diff(-np.sort(-p, axis=1), axis=1, prepend=1, append=0).min(axis=1).mean())
    raise ValueError(f"`correlation` should be 0 or 1, where the best is known. Found {correlation:g}.")


def _stream(*names: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(derive_seed("multilabel", *names)))


@register(
    "multilabel",
    title="Sets of labels",
    family="generated, truth known",
    paper="after Dembczyński, Waegeman, Cheng, Hüllermeier, On label dependence and loss minimization in multi-label "
    "classification, Machine Learning 88, 2012",
)
class LabelSets(DrawnSuite[int]):
    """y_t = 1 where a_t . phi_t(x) + noise e_t > 0, else 0; phi_tk(x) = tanh(2 w_tk . x), x ~ N(0, I_10), T tasks.

    e_t = sqrt(c) g + sqrt(1 - c) h_t with g, h_t ~ N(0, 1), c the correlation. A label has the same probability given
    its row at every c; only what labels say of each other changes. Tasks are scored together: accuracy over all labels
    (1 - Hamming loss), macro and micro F1, ranking loss, subset accuracy. Data is drawn anew for each seed, the same
    for every method.

    tasks: labels T.
    correlation: of the noise of two labels. 0, labels are independent given the row; 1, one hidden number common to
        all decides together with the row.
    relation: 1, all labels read the same four features; 0, each has features of its own; between them the directions
        are mixed, sqrt(relation) w_k + sqrt(1 - relation) v_tk.
    train: training rows.
    noise: standard deviation of the noise beside a signal of size 1 at most.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        tasks: Annotated[int, Interval(ge=2, le=64)] = 8,
        correlation: Annotated[float, Interval(ge=0, le=1)] = 0.0,
        relation: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        train: Annotated[int, Interval(ge=16, le=100_000)] = 200,
        noise: Annotated[float, Interval(gt=0, le=1000)] = 0.5,
    ) -> None:
        super().__init__(data_dir, [f"label{t:02d}" for t in range(1, tasks + 1)], {"train": train, **ROWS})
        self.correlation, self.relation, self.noise = correlation, relation, noise
        self.input_shape = (DIMENSION,)
        head, metric = partial(make_linear_head, 1), partial(MultiLabel, self.names)
        self.tasks = [Task(name, head, bce_loss, metric, POOL) for name in self.names]
        self.protocol = Protocol(
            name="multilabel",
            version=1,
            splits=self.rows,
            split_rule="independent draws, anew for each seed",
            epochs=30,
            steps_per_epoch=10,
            batch_size=min(50, train),
            optimiser="adam",
            lr=5e-3,
            weight_decay=1e-3,
            schedule="cosine",
            coordinates="mean",
            metrics={POOL: MultiLabel.kind},
        )

    def truth(self, seed: int) -> LabelTruth:
        """The functions behind the labels of `seed`."""
        return LabelTruth.draw(seed, len(self.names), self.relation, self.noise)

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """Two layers of 32 units, times `width`."""
        return mlp(DIMENSION, HIDDEN, width)

    def draw(self, seed: int, stream: tuple[str | int, ...], rows: int) -> Dataset:
        """Inputs (n, 10) that all tasks read, and labels (n, 1) of each."""
        return _draw_labels(seed, stream, rows, tuple(self.names), self.correlation, self.relation, self.noise)

    def checksums(self) -> dict[str, str]:
        """Of the formula, the dials and the first labels."""
        dials = (len(self.names), self.correlation, self.relation, self.noise, self.rows, DIMENSION, FEATURES)
        first = self.dataset("train", 0)
        drawn = [
            float(first.inputs[self.names[0]].double().sum()).hex(),
            *(float(y.sum()).hex() for y in first.targets.values()),
        ]
        return {"generator": digest([FORM, *dials, drawn])}


@cache
def _draw_labels(
    seed: int,
    stream: tuple[str | int, ...],
    rows: int,
    names: tuple[str, ...],
    correlation: float,
    relation: float,
    noise: float,
) -> Dataset:
    """Rows of the problem of `seed`, kept for the runs that follow; float32, labels 0 or 1.

    stream: names the split, or what else they are drawn for.
    """
    truth = LabelTruth.draw(seed, len(names), relation, noise)
    # Streams apart: the correlation leaves inputs, and the noise that is each label's own, as they are.
    x = torch.from_numpy(_stream(seed, *stream, "x").standard_normal((rows, DIMENSION))).float()
    common = _stream(seed, *stream, "common").standard_normal(rows)
    own = np.stack([_stream(seed, *stream, "own", name).standard_normal(rows) for name in names], axis=1)
    errors = np.sqrt(correlation) * common[:, None] + np.sqrt(1 - correlation) * own
    # Labels are of the rounded inputs, which the network sees.
    y = torch.from_numpy(truth.signals(x.double().numpy()) + noise * errors > 0).float()
    return Dataset(dict.fromkeys(names, x), {name: y[:, [t]] for t, name in enumerate(names)})
