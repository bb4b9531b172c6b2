"""Suites that break one rule each."""

import itertools
import time
from dataclasses import replace
from typing import Literal

import torch
from torch import nn

from bench.api import DataMissing, Dataset, Protocol, Regression, Stage, Suite, Task, scale_channels
from tests.bench.check.broken import Broken, change

ROWS = {"train": 20, "val": 10, "test": 10}
NAMES = ("sum", "first")


def loss_of(prediction, target):
    return (prediction - target).square().mean()


def backbone_of(width, shape=None):
    sizes = [4, scale_channels(6, width), scale_channels(5, width)]
    stages = [Stage(nn.Linear(a, b), nn.ReLU(), output_shape=(b,)) for a, b in itertools.pairwise(sizes)]
    stages[0].output_shape = shape or stages[0].output_shape
    return nn.ModuleList(stages)


class Good(Suite):
    """Two linear functions of four numbers, without noise.

    scale: of the targets, `one` or `two`.
    """

    metric: type = Regression
    loss = staticmethod(loss_of)
    names = NAMES
    protocol_changes: dict = {}  # noqa: RUF012

    def __init__(self, data_dir=None, *, scale: Literal["one", "two"] = "one") -> None:
        super().__init__(data_dir)
        self.input_shape = (4,)
        self.scale = {"one": 1.0, "two": 2.0}[scale]
        self.tasks = [Task(name, lambda shape: nn.Linear(shape[0], 1), self.loss, self.metric) for name in self.names]
        values = {
            "name": "good",
            "version": 1,
            "splits": ROWS,
            "split_rule": "independent draws",
            "epochs": 1,
            "steps_per_epoch": 2,
            "batch_size": 4,
            "optimiser": "sgd",
            "lr": 0.1,
            "schedule": "constant",
            "metrics": dict.fromkeys(self.names, "regression"),
        }
        self.protocol = Protocol(**(values | self.protocol_changes))

    def backbone(self, width=1.0):
        return backbone_of(width)

    def draw(self, split):
        """The inputs of a split."""
        generator = torch.Generator().manual_seed(list(ROWS).index(split))
        return torch.randn(ROWS[split], 4, generator=generator)

    def dataset(self, split, seed):
        x = self.draw(split)
        return Dataset(dict.fromkeys(NAMES, x), {"sum": self.scale * x.sum(1, keepdim=True), "first": x[:, :1]})

    def checksums(self):
        return {"rows": str(float(self.dataset("train", 0).targets["sum"].sum()))}


class Boasting(Regression):
    def judge_rows(self, prediction, target):
        return torch.ones(len(target), dtype=torch.bool)


class Overwriting(Regression):
    """Statistics of the last batch only."""

    def update(self, prediction, target):
        self.count, self.squared_error = 0, None
        super().update(prediction, target)


class Unknown(Regression):
    """A kind that the scores do not know."""

    kind = "luck"


def reading(turn):
    """A data set that is `turn(self, dataset, split)`."""
    return lambda self, split, seed: turn(self, Good.dataset(self, split, seed), split)


def crash_by_choice(self, data_dir=None, *, scale: Literal["one", "three"] = "one"):
    Good.__init__(self, data_dir, scale=scale)


def slow(self, data_dir=None):
    time.sleep(0.3)
    Good.__init__(self, data_dir)


def reads_a_file(self, data_dir=None):
    Good.__init__(self, data_dir)
    if data_dir:
        (data_dir / "rows.npy").read_bytes()


def vague(self):
    if self.data_dir:
        raise DataMissing("no data")
    return Good.checksums(self)


def crash_on_val(self, dataset, split):
    if split == "val":
        raise RuntimeError("file truncated")
    return dataset


def shorter(self, dataset, split):
    return Dataset(dict.fromkeys(NAMES, dataset.inputs["sum"][1:]), {t: y[1:] for t, y in dataset.targets.items()})


def one_copy_per_task(self, dataset, split):
    return Dataset({task: x.clone() for task, x in dataset.inputs.items()}, dataset.targets)


def in_double(self, dataset, split):
    return Dataset(dict.fromkeys(NAMES, dataset.inputs["sum"].double()), dataset.targets)


def by_seed(self, split, seed):
    x = self.draw(split) + seed
    return Dataset(dict.fromkeys(NAMES, x), {"sum": x.sum(1, keepdim=True), "first": x[:, :1]})


def by_closure(self, dataset, split):
    return Dataset(dataset.inputs, dataset.targets, lambda rows, targets, generator: (rows, targets))


def without_labels(which, rows=slice(None)):
    """A data set in which those rows of a split have no label of `first`."""

    def drop(self, dataset, split):
        targets = {task: target.clone() for task, target in dataset.targets.items()}
        if split == which:
            targets["first"][rows] = float("nan")
        return Dataset(dataset.inputs, targets)

    return reading(drop)


def masked_loss(prediction, target):
    valid = target.isfinite()
    return ((prediction - target.nan_to_num()).square() * valid).sum() / valid.sum().clamp(min=1)


class Unaware(Regression):
    """Of all elements, whether they have a label or not."""

    def update(self, prediction, target):
        super().update(prediction, target.nan_to_num(float("inf")))


def in_pairs(which, rows=slice(None)):
    """Targets of two numbers, of which those rows of a split lack one of `first`; with heads of two numbers."""

    def double(self, dataset, split):
        targets = {task: target.repeat(1, 2) for task, target in dataset.targets.items()}
        if split == which:
            targets["first"][rows, 1] = float("nan")
        return Dataset(dataset.inputs, targets)

    return reading(double)


def pair_head(shape):
    return nn.Linear(shape[0], 2)


def double_backbone(self, width=1.0):
    return backbone_of(width).double()


def flat_targets(self, dataset, split):
    return Dataset(dataset.inputs, {task: y.flatten() for task, y in dataset.targets.items()})


class InPlace(nn.Module):
    """A rectifier written with a function that works in place, as no switch turns off."""

    def forward(self, x):
        return x.relu_()


class Idle(nn.Linear):
    """A layer with weights that it does not use."""

    def __init__(self):
        super().__init__(2, 2)

    def forward(self, x):
        return x


class Squeezed(nn.Linear):
    """One number a row without an axis of its own, by way of all axes of size 1."""

    def forward(self, x):
        return super().forward(x).squeeze()


def squeezing(shape):
    return Squeezed(shape[0], 1)


def with_stage(number, make):
    """A backbone with a module at the start of a stage, or at the end of the first."""

    def backbone(self, width=1.0):
        stages = backbone_of(width)
        module, shape = make(), stages[number].output_shape
        stages[number] = Stage(*[module] * (number > 0), *stages[number], *[module] * (number == 0), output_shape=shape)
        return stages

    return backbone


def with_head(head, **members):
    """`Good` with other heads."""

    def init(self, data_dir=None):
        Good.__init__(self, data_dir)
        self.tasks = [replace(task, head=head) for task in self.tasks]

    return change(Good, __init__=init, **members)


def uneven_rows(self, dataset, split):
    return Dataset(
        {task: x[rows] for (task, x), rows in zip(dataset.inputs.items(), (slice(2, None), slice(2)), strict=True)},
        {task: y[rows] for (task, y), rows in zip(dataset.targets.items(), (slice(2, None), slice(2)), strict=True)},
    )


def normalised_backbone(self, width=1.0):
    first, *rest = backbone_of(width)
    return nn.ModuleList([Stage(*first, nn.BatchNorm1d(*first.output_shape), output_shape=first.output_shape), *rest])


def from_rows(self, width=1.0):
    self.dataset("train", 0)
    return backbone_of(width)


UNEVEN = {"own_inputs": True, "dataset": reading(uneven_rows), "backbone": normalised_backbone}
BROKEN: list[Broken] = [
    ("constructor", "0.3 s", change(Good, __init__=slow)),
    ("constructor", "rows.npy", change(Good, __init__=reads_a_file)),
    ("choices", "scale=three", change(Good, __init__=crash_by_choice)),
    ("tasks", "names of their own", change(Good, names=("a", "a"))),
    ("tasks", "`luck`, of `sum`, `first`, should be registered", change(Good, metric=Unknown)),
    ("tasks", "make them agree", change(Good, protocol_changes={"metrics": {"sum": "regression"}})),
    ("protocol", "selection", change(Good, protocol_changes={"splits": {"train": 20, "test": 10}})),
    ("protocol", "batch_size", change(Good, protocol_changes={"batch_size": 21})),
    ("width", "backbone(1.5)", change(Good, backbone=lambda self, width=1.0: backbone_of(1.0))),
    ("missing data", "'no data'", change(Good, checksums=vague)),
    ("data", "file truncated", change(Good, dataset=reading(crash_on_val))),
    ("splits", "which has 19", change(Good, dataset=reading(shorter))),
    ("splits", "for `first`, which has 10 test rows", change(Good, row_units=lambda self: {"first": torch.arange(3)})),
    ("splits", "which has no test rows", change(Good, row_units=lambda self: {"last": torch.arange(10)})),
    ("splits", "Found torch.float32", change(Good, row_units=lambda self: {"first": torch.zeros(10)})),
    ("splits", "names of the tasks", change(Good, names=("sum", "last"))),
    ("shared inputs", "dict.fromkeys", change(Good, dataset=reading(one_copy_per_task))),
    ("shared inputs", "`own_inputs`", change(Good, own_inputs=True)),
    ("shared inputs", "float32", change(Good, dataset=reading(in_double), backbone=double_backbone)),
    ("labels", "Found none of `first` in `val`", change(Good, dataset=without_labels("val"))),
    ("labels", "The loss of `first`", with_head(pair_head, dataset=in_pairs("train", slice(4, 9)))),
    (
        "labels",
        "The metric of `first`",
        with_head(pair_head, dataset=in_pairs("test", slice(1)), loss=staticmethod(masked_loss), metric=Unaware),
    ),
    ("stages", "stage 0", change(Good, backbone=lambda self, width=1.0: backbone_of(width, shape=(9,)))),
    ("losses", "twice over", change(Good, loss=staticmethod(lambda p, y: (p - y).square().sum()))),
    ("losses", "one finite number", change(Good, loss=staticmethod(lambda p, y: (p - y).detach().square().mean()))),
    ("target shapes", "Found (8,)", change(Good, dataset=reading(flat_targets))),
    ("inputs stay", "Stage 1", change(Good, backbone=with_stage(1, InPlace))),
    ("inputs stay", "`sum`", with_head(lambda shape: nn.Sequential(InPlace(), nn.Linear(*shape, 1)))),
    ("one row", "of shape (1,)", with_head(squeezing, dataset=reading(flat_targets))),
    ("all parameters learn", "['stages.0.2.weight', 'stages.0.2.bias']", change(Good, backbone=with_stage(0, Idle))),
    ("rows of a batch", "Found one of `first`, which has 2 of 20 rows", change(Good, **UNEVEN)),
    ("trains", "refusal of each", change(Good, backbone=from_rows)),
    ("metrics", "add up", change(Good, metric=Overwriting)),
    ("metrics", "as many rows right as its statistics count", change(Good, metric=Boasting)),
    ("repeats", "generator", change(Good, draw=lambda self, split: torch.randn(ROWS[split], 4))),
    ("repeats", "hash the data", change(Good, checksums=lambda self: {})),
    ("resident", "under seed 1", change(Good, resident=True, dataset=by_seed)),
    ("resident", "transform", change(Good, resident=True, dataset=reading(by_closure))),
    ("disjoint", "10 of 10", change(Good, draw=lambda self, split: Good.draw(self, "train")[: ROWS[split]])),
]

PARTIAL = change(Good, dataset=without_labels("train", slice(4, 9)), resident=True)
MISSING = change(Good, checksums=lambda self: vague(self) if self.data_dir is None else Good.checksums(self))
