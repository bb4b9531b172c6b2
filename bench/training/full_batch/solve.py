"""A run whose models are linear: fitted by a solver, in place of an optimiser."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.constraint import Coupled
from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.linear.choose import Fitted, fit_family
from bench.linear.family import PenaltyFamily
from bench.linear.form import LinearForm, linear_form
from bench.linear.logistic import Logistic
from bench.linear.loss import Loss, Tied
from bench.linear.rows import TaskRows
from bench.linear.squared import Offsets, Squared
from bench.records import RunSpec, Solution
from bench.training.full_batch.run import Answer, FullBatchRun, rounded
from bench.training.recovered import select_storable
from bench.training.watch import OnEpoch


class Solved(FullBatchRun):
    """One cell: the model that `method` stands for where the backbone is linear, at the minimum of its objective."""

    def __init__(self, spec: RunSpec, suite: Suite, method: Method) -> None:
        super().__init__(spec, suite, replace(method, constraint=None))
        self.method = method
        form = linear_form(self.model.sharing, suite)
        assert form is not None  # the plan was checked
        self.form: LinearForm = form

    def loss(self, rows: TaskRows) -> Loss:
        """The loss as a function of what the constraint, or weight decay, holds."""
        if self.method.constraint and self.form.tied:
            return Offsets(rows)
        kind = Logistic if self.protocol.loss == "logistic" else Squared
        loss: Loss = kind(rows, math.inf if self.form.pooled else 0.0)
        return Tied(loss) if self.form.tied else loss

    def solve(self, rows: TaskRows, on_curve: OnEpoch | None = None) -> Fitted:
        """Choose what is open by cross-validation on `rows`, and fit the model to all of them."""
        held = self.form.held if self.method.constraint else self.form.weights
        logistic = self.protocol.loss == "logistic"
        return fit_family(
            rows,
            self.loss,
            PenaltyFamily(self.method.constraint, Coupled(tuple(held[0].shape), len(held), self.protocol.lr)),
            summed_log_loss if logistic else half_squares,
            points=self.protocol.strengths,
            span=self.protocol.span,
            folds=self.protocol.folds,
            seed=self.spec.seed,
            stratify=logistic,
            tolerance=self.protocol.tolerance,
            iterations=self.protocol.updates,
            on_curve=on_curve,
        )

    def answer(self, train: Dataset, on_epoch: OnEpoch | None = None) -> Answer:
        names = [task.name for task in self.model.tasks]
        rows = TaskRows([train.inputs[t] for t in names], [train.targets[t].flatten() for t in names], names)
        found = self.solve(rows, on_epoch)
        weights, intercepts = found.model()
        self.form.set_(weights, intercepts)
        return Answer(
            self._solution(found),
            weights,
            select_storable(found.penalty.matrices()),
            parameters=found.solution.W.numel() + len(self.form.intercepts),
            forward_flops=2 * len(names) * rows.features,
            step_ms=1000 * found.seconds / max(1, found.solution.iterations),
        )

    def _solution(self, found: Fitted) -> Solution:
        certificate = found.solution.certificate
        return Solution(
            strength=found.strength and rounded(found.strength),
            settings=found.settings,
            strengths=[rounded(strength) for strength in (found.chosen.strengths if found.chosen else [])],
            errors=[rounded(error) for error in (found.chosen.errors if found.chosen else [])],
            at_the_end=found.at_the_end,
            objective=rounded(found.solution.objective),
            certificate=certificate.kind,
            value=float(f"{certificate.value:.3g}"),
            met=certificate.met,
            iterations=found.solution.iterations,
        )


def half_squares(z: Tensor, y: Tensor) -> Tensor:
    """sum (z - y)^2 / 2."""
    return (z - y).square().sum() / 2


def summed_log_loss(z: Tensor, y: Tensor) -> Tensor:
    """sum log(1 + e^z) - y z."""
    return (torch.nn.functional.softplus(z) - y * z).sum()
