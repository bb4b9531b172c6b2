"""The contract of a Suite: how backbone, heads, losses and metrics take its rows.

The first few rows of each input are enough, as are untrained weights: shapes, means and sums are at issue.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.options import list_defaults
from bench.check.outcome import Absent, attempt, expect
from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.errors import DataMissing
from bench.scores import find_kind, primary_error, score

FEW = 8  # rows for backbone, heads, losses and metrics


class SuiteCase:
    """A suite with its default options.

    data_dir: where its data is looked for; None for the default folder.
    splits: name -> rows, filled by the rule `data`.
    """

    def __init__(self, entry: Entry, data_dir: Path | None) -> None:
        self.entry, self.data_dir = entry, data_dir
        self.splits: dict[str, Dataset] = {}

    def build(self, data_dir: Path | None, values: Mapping[str, Any] | None = None) -> Suite:
        """An instance.

        data_dir: where its data is looked for; an empty folder to do without.
        values: its options by name; by default the defaults.
        """
        suite: Suite = self.entry.build(data_dir, **(list_defaults(self.entry) if values is None else values))
        return suite

    @cached_property
    def suite(self) -> Suite:
        """The suite whose rows are looked at, built once."""
        return self.build(self.data_dir)

    def predict(self) -> Iterator[tuple[Any, Tensor, Tensor]]:
        """(task, predictions, targets) on the first rows with a label, in float64, from an untrained tower.

        Expects the rule `data` to have filled the splits. Targets that are classes stay whole numbers.
        """
        train = self.splits["train"]
        few = [_pick_few(train.targets[tasks[0]]) for _, tasks in train.groups]
        stages = self.suite.backbone().double()
        for task in self.suite.tasks:
            indices = few
            if task.name in train.partly_labelled:  # rows without a label are not shown to losses and metrics
                labelled = train.find_labelled_rows(task.name).nonzero()[:, 0]
                own = labelled[_pick_few(train.targets[task.name][labelled])]
                indices = [
                    own if task.name in tasks else index for (_, tasks), index in zip(train.groups, few, strict=True)
                ]
            inputs, targets = train.take(indices)
            features = inputs[task.name].double()
            for stage in stages:
                features = stage(features)
            head = task.head(stages[-1].output_shape).double()  # type: ignore[arg-type]
            target = targets[task.name]
            yield task, head(features), target.double() if target.is_floating_point() else target


def _pick_few(target: Tensor) -> Tensor:
    """Indices of FEW rows, int64.

    Where targets are single numbers, of small and of large ones, so that both of two classes are among
    them: a ranking of one class has no score.
    """
    if not target.is_floating_point() or target.numel() != len(target):
        return torch.arange(min(FEW, len(target)))
    return target.flatten().argsort(stable=True)[torch.linspace(0, len(target) - 1, FEW).long()]


def data(case: SuiteCase) -> None:
    """The data can be found and read; without it, the rules on rows are left out.

    Missing data is no failure, since suites should be checked on machines that do not have it.
    """
    names: list[Any] = list(case.suite.protocol.splits)
    with attempt("Reading the data"):
        try:
            case.suite.checksums()
            case.splits = {name: case.suite.dataset(name, 0) for name in names}
        except DataMissing as missing:
            raise Absent(f"{missing} The rules on rows were not run.") from missing


def stages(case: SuiteCase) -> None:
    """Every stage of the backbone answers in its `output_shape`, wide ones too.

    Sharings build heads and couplings from these shapes without a look at any row.
    """
    inputs = case.splits["train"].groups[0][0][:FEW]
    expect(
        tuple(inputs.shape[1:]) == getattr(case.suite, "input_shape", None),
        f"`input_shape` should be the shape of one row of the inputs, {tuple(inputs.shape[1:])}. Found "
        f"{getattr(case.suite, 'input_shape', None)}; set it in the constructor.",
    )
    # A linear model, as a solver fits it, has no width.
    for width in (1.0,) if case.suite.protocol.fit == "solver" else (1.0, 1.5):
        x = inputs
        for number, stage in enumerate(case.suite.backbone(width)):
            with attempt(f"Stage {number} of the backbone of width {width:g} on the suite's inputs"):
                x = stage(x)
            expect(
                x.shape[1:] == stage.output_shape,
                f"`output_shape` of stage {number} should be what it returns, {tuple(x.shape[1:])} at width {width:g}. "
                f"Found {stage.output_shape}; correct it.",
            )


def losses(case: SuiteCase) -> None:
    """Heads and losses give a finite 0-dimensional mean over rows, with a gradient.

    A sum would make the weight of a task depend on the batch size. The batch twice over tells the two apart.
    """
    for task, prediction, target in case.predict():
        with attempt(f"The loss of `{task.name}`"):
            loss = task.loss(prediction, target)
            twice = task.loss(torch.cat([prediction, prediction]), torch.cat([target, target])).detach()
        expect(
            loss.dim() == 0 and bool(loss.isfinite()) and loss.requires_grad,
            f"The loss of `{task.name}` should be one finite number with a gradient. Found {loss}; take the mean.",
        )
        expect(
            torch.allclose(loss.detach(), twice, rtol=1e-9),  # float64; means are rounded in another order
            f"The loss of `{task.name}` should be a mean over valid elements, the same for a batch twice over. Found "
            f"{loss.detach():.6g} and {twice:.6g}; divide by the number of valid elements.",
        )


def metrics(case: SuiteCase) -> None:
    """Statistics add up over batches, fit in a record, and give finite scores.

    Evaluation goes piece by piece, and the score may not depend on where a split is cut. A record holds
    JSON, so the statistics go through its text.
    """
    for task, prediction, target in case.predict():
        states = []
        for pieces in ((slice(None),), (slice(0, 3), slice(3, None))):  # of unequal sizes: a mean of means shows
            metric = task.metric()
            for piece in pieces:
                metric.update(prediction.detach()[piece], target[piece])
            # As in a record: what JSON cannot hold, NaN among it, fails here.
            states.append(json.loads(json.dumps(metric.state(), allow_nan=False)))
        right, kind = task.metric().judge_rows(prediction.detach(), target), case.suite.protocol.metrics[task.reported]
        if right is not None:
            counted = (count := find_kind(kind).right) and count(states[0])
            expect(
                right.dtype == torch.bool and right.shape == (len(target),) and int(right.sum()) == counted,
                f"The metric of `{task.name}` should judge as many rows right as its statistics count. Found "
                f"{tuple(right.shape)} rows, {int(right.sum())} of them right, and {counted} counted; return one bool "
                "for each row from `judge_rows`, and count them by `right` of the kind.",
            )
        one, two = (score(kind, state) for state in states)
        expect(
            one.keys() == two.keys() and all(math.isclose(one[name], two[name], rel_tol=1e-9) for name in one),
            f"The statistics of `{task.name}` should add up over batches. Found {one} in one batch and {two} in two; "
            "accumulate sums and counts in `update`.",
        )
        error = primary_error(kind, states[0])
        expect(
            math.isfinite(error) and error > 0,
            f"The error of `{task.name}` should be finite and positive. Found {error}; see its kind in bench.scores.",
        )
