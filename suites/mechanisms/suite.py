"""Caruana's mechanisms of why learning tasks together helps, as generated data of which the truth is known."""

import itertools
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from bench.api import (
    Added,
    Classification,
    Dataset,
    Interval,
    Protocol,
    Regression,
    Shape,
    Split,
    Stage,
    Suite,
    Task,
    digest,
    mse_loss,
    register,
    scale_channels,
)
from bench.backbones.mlp import mlp
from suites._shared.heads import make_linear_head
from suites._shared.linear_models import make_linear_protocol, make_linear_stages, make_linear_tasks, select_weights
from suites.mechanisms.amplification import Amplification, Sampling
from suites.mechanisms.attributes import Attributes
from suites.mechanisms.bias import Bias
from suites.mechanisms.boolean import Blocking, Parity
from suites.mechanisms.codes import Peaks, Sums, Use
from suites.mechanisms.eavesdropping import Eavesdropping
from suites.mechanisms.features import Features
from suites.mechanisms.horizon import Horizon
from suites.mechanisms.mechanism import Mechanism, Stream, Target
from suites.mechanisms.overfitting import Overfitting
from suites.mechanisms.quantised import Quantised
from suites.mechanisms.scans import Alvinn, Doors

_CLASSES: tuple[type[Mechanism], ...] = (
    *(Parity, Amplification, Sampling, Blocking, Eavesdropping, Attributes, Bias, Overfitting),
    *(Quantised, Peaks, Sums, Features, Alvinn, Doors, Horizon),
)
MECHANISMS = {str(cls.model_config["title"]): cls for cls in _CLASSES}  # by what users write
MechanismName = Literal[
    "parity", "amplification", "sampling", "blocking", "eavesdropping", "attributes", "bias", "overfitting",
    "quantised", "peaks", "f1f2", "features", "alvinn", "doors", "horizon",
]  # fmt: skip


@register(
    "mechanisms",
    title="Why tasks help each other",
    family="generated, truth known",
    paper="Caruana, Multitask Learning, Machine Learning 28, 1997",
)
class Mechanisms(Suite):
    """Generated tasks of which it is known why learning them together helps, or why it does not; t1 is the main one.

    Every kind is one mechanism of Caruana 1997, with an equation and an expected direction on the suite's card. Data is
    drawn anew for each seed, the same for every method; labels of test rows are without noise, so that their error has
    no floor. A dial that a kind does not have is refused, and what is not given stands at the kind's own default.

    kind: the mechanism.
    tasks: number of tasks.
    train: training rows of each input.
    noise: standard deviation of label noise in training and validation rows.
    relation: how far the mechanism is there: 1 as its equation says, 0 the control in which it has nothing to give.
    bits: of the Boolean function that tasks have in common; of a block of `bias`.
    weight: how much of t1 the feature is that t2 shows, of `eavesdropping`.
    scale: of the inputs that only t1 can use, of `bias`.
    levels: into which the extra task of `quantised` cuts what the main one asks the sign of.
    horizon: steps that t1 looks ahead, of `horizon`; every further task looks half as far.
    use: of a measurement that may be a further target, a further input, or left out, of `features` and `f1f2`.
    model: of `attributes`: a network, or linear models fitted by a solver.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        kind: MechanismName = "parity",
        tasks: Annotated[int | None, Interval(ge=2, le=120), Added()] = None,
        train: Annotated[int | None, Interval(ge=16, le=100_000), Added()] = None,
        noise: Annotated[float | None, Interval(ge=0, le=1000), Added()] = None,
        relation: Annotated[float | None, Interval(ge=0, le=1), Added()] = None,
        bits: Annotated[int | None, Interval(ge=1, le=7), Added()] = None,
        weight: Annotated[float | None, Interval(ge=0, le=1), Added()] = None,
        scale: Annotated[float | None, Interval(gt=0, le=100), Added()] = None,
        levels: Annotated[int | None, Interval(ge=2, le=1024), Added()] = None,
        horizon: Annotated[int | None, Interval(ge=2, le=64), Added()] = None,
        use: Annotated[Use, Added()] = "target",
        model: Annotated[Literal["mlp", "linear"], Added()] = "mlp",
    ) -> None:
        super().__init__(data_dir)
        dials: dict[str, Any] = {
            "tasks": tasks,
            "train": train,
            "noise": noise,
            "relation": relation,
            "bits": bits,
            "weight": weight,
        }
        dials |= {"scale": scale, "levels": levels, "horizon": horizon}
        # `none` is a choice of `use`: what stands for "not given" is its default.
        dials |= {"use": None if use == "target" else use, "model": None if model == "mlp" else model}
        self.mechanism = m = _choose(kind, {name: value for name, value in dials.items() if value is not None})
        self.input_shape, self.own_inputs = (m.inputs,), m.own_inputs
        if m.linear:
            self.tasks = make_linear_tasks([f"t{t}" for t, _ in enumerate(m.targets, 1)])
            rows = {split: m.rows[split] for split in ("train", "test")}
            self.protocol = make_linear_protocol("mechanisms", 1, rows, _DRAWN, self.tasks)
            return
        self.tasks = [_MAKERS[target](f"t{t}") for t, target in enumerate(m.targets, 1)]
        inputs = len(self.tasks) if self.own_inputs else 1
        # Not `overlapping`, even where seeds divide the same patterns: there are no other rows to speak of.
        self.protocol = Protocol(
            name="mechanisms",
            version=1,
            splits={split: rows * inputs for split, rows in m.rows.items()},
            split_rule="all patterns, dealt out anew for each seed" if m.finite else _DRAWN,
            batch_size=m.batch * inputs,
            metrics={task.name: task.metric().kind for task in self.tasks},
            **m.training,
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """One stage for each hidden layer of the kind, times `width`."""
        m = self.mechanism
        if m.linear:
            return make_linear_stages(m.inputs, width)
        if not m.logistic:
            return mlp(m.inputs, m.hidden, width)
        sizes = [m.inputs, *(scale_channels(size, width) for size in m.hidden)]
        layers = itertools.pairwise(sizes)
        return nn.ModuleList(Stage(nn.Linear(a, b), nn.Sigmoid(), output_shape=(b,)) for a, b in layers)

    def held(self, names: Sequence[str]) -> Sequence[str]:
        """The weights, and not the intercepts, of linear models."""
        return select_weights(names) if self.mechanism.linear else names

    def dataset(self, split: Split, seed: int) -> Dataset:
        return _draw(self.mechanism, seed, (split,), self.mechanism.rows[split])

    def sealed(self, seed: int, draw: int) -> Dataset | None:
        """Fresh rows of the functions of `seed`; none where the splits are all patterns that there are."""
        m = self.mechanism
        return None if m.finite else _draw(m, seed, ("sealed", draw), m.rows["test"])

    def known_weights(self, seed: int) -> Tensor | None:
        """The weights (d, T) behind the labels of linear models."""
        weights = self.mechanism.known_weights(seed) if self.mechanism.linear else None
        return None if weights is None else torch.from_numpy(weights)

    def known_features(self, seed: int, x: Tensor) -> Mapping[str, Tensor]:
        """The hidden features that labels are made of, at rows `x`."""
        found = self.mechanism.known_features(seed, x.double().cpu().numpy())
        return {name: torch.from_numpy(each) for name, each in found.items()}

    def input_blocks(self, seed: int) -> Mapping[str, Sequence[int]]:
        """The blocks of `bias`; of `attributes` the inputs that matter and the others."""
        return self.mechanism.input_blocks(seed)

    def checksums(self) -> dict[str, str]:
        """Of the equation, the dials and the first labels."""
        m, first = self.mechanism, self.dataset("train", 0)
        drawn = [float(first.targets[task.name].double().sum()).hex() for task in self.tasks]
        seen = [float(x.double().abs().sum()).hex() for x, _ in first.groups]
        return {"generator": digest([m.kind, m.formula, m.model_dump(), m.rows, seen, drawn])}


_DRAWN = "independent draws, anew for each seed"


def _choose(kind: str, dials: dict[str, Any]) -> Mechanism:
    """The mechanism with these dials. Raises ValueError for a dial that it does not have, or out of its range."""
    cls = MECHANISMS[kind]
    for name in dials:
        if name not in cls.model_fields:
            known = ", ".join(f"`{dial}`" for dial in cls.model_fields)
            raise ValueError(f"`{kind}` should be given dials that it has: {known}. Found `{name}`.")
    return cls(**dials)


class PairOfLogits(nn.Module):
    """(0, z) of one number z: the logits of false and true."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(z), z], dim=1)


def brier_loss(logits: Tensor, target: Tensor) -> Tensor:
    """mean (s(z) - y)^2: squared error of a logistic output, as networks were trained on Boolean tasks.

    logits: (0, z) of each row, (n, 2).
    target: y, 0 or 1, int64 (n,).
    """
    return (logits.softmax(dim=1)[:, 1] - target).square().mean()


def _make_unit_head(shape: Shape) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], 1), nn.Sigmoid())


def _make_boolean_head(shape: Shape) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], 1), PairOfLogits())


_MAKERS: dict[Target, Any] = {
    "real": partial(Task, head=partial(make_linear_head, 1), loss=mse_loss, metric=Regression),
    "unit": partial(Task, head=_make_unit_head, loss=mse_loss, metric=Regression),
    "boolean": partial(Task, head=_make_boolean_head, loss=brier_loss, metric=partial(Classification, classes=2)),
}


@cache
def _draw(mechanism: Mechanism, seed: int, stream: Stream, rows: int) -> Dataset:
    """Rows of the problem of `seed`, kept for the runs that follow.

    Returns inputs (rows, d) float32, and targets: (rows, 1) float32 of real tasks, (rows,) int64 of Boolean ones.
    """
    x, y = mechanism.draw(seed, stream, rows)
    shared = None if mechanism.own_inputs else torch.from_numpy(x).float()
    inputs, targets = {}, {}
    for t, target in enumerate(mechanism.targets):
        name, column = f"t{t + 1}", torch.from_numpy(y[:, t])
        inputs[name] = torch.from_numpy(x[t]).float() if shared is None else shared
        targets[name] = column.long() if target == "boolean" else column.float()[:, None]
    return Dataset(inputs, targets)
