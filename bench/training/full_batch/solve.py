"""Full-batch runs of linear models: fitted to the minimum of a convex objective by `bench.linear`.

Translates a method and its protocol into a loss, a family of penalties and a path of strengths, and the solution back
into weights of the model.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.constraint import Coupled
from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.linear.choose import Fitted, fit_family, half_squares
from bench.linear.family import PenaltyFamily
from bench.linear.form import LinearForm, read_linear_form
from bench.linear.logistic import Logistic
from bench.linear.loss import Loss, Tied
from bench.linear.rows import TaskRows
from bench.linear.squared import Offsets, Squared
from bench.records import RunSpec, Solution
from bench.training.full_batch.run import Answer, FullBatchRun, round_digits
from bench.training.recovered import select_storable
from bench.training.watch import OnEpoch


class Solved(FullBatchRun):
    """One cell: the linear model that `method` amounts to on a linear backbone, at the minimum of its objective.

    sum_t sum_i l(y_ti, x_ti w_t + b_t) + R(W), with R the constraint, or weight decay where the method has none.
    """

    def __init__(self, spec: RunSpec, suite: Suite, method: Method) -> None:
        # Without its constraint the model keeps plain copies, which `form` writes the solution into.
        super().__init__(spec, suite, replace(method, constraint=None))
        self.method = method
        form = read_linear_form(self.model.sharing, suite)
        assert form is not None  # the plan refuses others before anything runs
        self.form: LinearForm = form

    def loss(self, rows: TaskRows) -> Loss:
        """The loss of `rows` as a function of the weights that the constraint, or weight decay, penalises.

        W (d, T) where tasks own their weights. Where they share them, W (1, T) are the intercepts that a constraint
        holds (`Offsets`), or, without a constraint, W (d, 1) the shared weights (`Tied`).
        """
        # rho of the loss: infinite pools the intercepts, 0 leaves each task its own.
        if self.method.constraint and self.form.tied:
            return Offsets(rows)
        kind = Logistic if self.protocol.loss == "logistic" else Squared
        loss: Loss = kind(rows, math.inf if self.form.pooled else 0.0)
        return Tied(loss) if self.form.tied else loss

    def solve(self, rows: TaskRows, on_curve: OnEpoch | None = None) -> Fitted:
        """Choose open options and the strength by cross-validation on `rows`, and fit the model to all of them.

        `on_curve` is called with the curves done and the curves in all.
        """
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
        """Solve, and write weights and intercepts into the model."""
        rows = self.read_rows(train)
        fitted = self.solve(rows, on_epoch)
        weights, intercepts = fitted.model()
        self.form.set_(weights, intercepts)
        return Answer(
            self._solution(fitted),
            weights,
            select_storable(fitted.penalty.matrices()),
            parameters=fitted.solution.W.numel() + len(self.form.intercepts),
            forward_flops=2 * len(rows.names) * rows.features,  # a product and a sum per weight
            step_ms=1000 * fitted.seconds / max(1, fitted.solution.iterations),
        )

    def _solution(self, fitted: Fitted) -> Solution:
        """The fit as a record stores it, with the curve of cross-validation that chose it."""
        certificate = fitted.solution.certificate
        return Solution(
            strength=fitted.strength and round_digits(fitted.strength),
            settings=fitted.settings,
            strengths=[round_digits(strength) for strength in (fitted.chosen.strengths if fitted.chosen else [])],
            errors=[round_digits(error) for error in (fitted.chosen.errors if fitted.chosen else [])],
            at_the_end=fitted.at_the_end,
            objective=round_digits(fitted.solution.objective),
            certificate=certificate.kind,
            value=float(f"{certificate.value:.3g}"),
            met=certificate.met,
            iterations=fitted.solution.iterations,
        )


def summed_log_loss(z: Tensor, y: Tensor) -> Tensor:
    """sum log(1 + e^z) - y z of logits z and labels y (n,) in {0, 1}, the error under logistic loss."""
    return (torch.nn.functional.softplus(z) - y * z).sum()
