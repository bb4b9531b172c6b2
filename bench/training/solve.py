"""A run whose models are linear: fitted by a solver, in place of an optimiser."""

import gc
import math
import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench.core.constraint import Coupled
from bench.core.data import Dataset
from bench.core.linear import LinearForm, linear_form
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.linear.choose import Fitted, fit
from bench.linear.family import Family
from bench.linear.logistic import Logistic
from bench.linear.loss import Loss, Tied
from bench.linear.rows import Rows
from bench.linear.squared import Offsets, Squared
from bench.method import Method
from bench.records import Cost, Packed, RunSpec, Solution
from bench.scores import score
from bench.training.environment import hardware, peak_memory_mb, reset_peak_memory, settle_devices
from bench.training.evaluate import evaluate
from bench.training.model import MultiTaskModel
from bench.training.sharing import effective_sharing
from bench.training.watch import OnEpoch

CPU = torch.device("cpu")
LARGEST = 40  # tasks of which a covariance is stored
DIGITS = 9


class Solved:
    """One cell: the model that `method` stands for where the backbone is linear, at the minimum of its objective."""

    def __init__(self, spec: RunSpec, suite: Suite, method: Method) -> None:
        self.spec, self.suite, self.method, self.protocol = spec, suite, method, spec.protocol
        self.model = MultiTaskModel(suite, replace(method, constraint=None), self.protocol, spec.seed).double()
        form = linear_form(self.model.sharing, suite)
        assert form is not None  # the plan was checked
        self.form: LinearForm = form

    def data(self, split: Any) -> Dataset:
        """A split in float64."""
        rows = self.suite.dataset(split, self.spec.seed)
        if split == "train" and self.protocol.shuffled:
            rows = rows.shuffled(self.protocol.shuffled, self.spec.seed)
        return rows.to(CPU, torch.float64, torch.contiguous_format)

    def loss(self, rows: Rows) -> Loss:
        """The loss as a function of what the constraint, or weight decay, holds."""
        if self.method.constraint and self.form.tied:
            return Offsets(rows)
        kind = Logistic if self.protocol.loss == "logistic" else Squared
        loss: Loss = kind(rows, math.inf if self.form.pooled else 0.0)
        return Tied(loss) if self.form.tied else loss

    def solve(self, rows: Rows, on_curve: OnEpoch | None = None) -> Fitted:
        """Choose what is open by cross-validation on `rows`, and fit the model to all of them."""
        held = self.form.held if self.method.constraint else self.form.weights
        logistic = self.protocol.loss == "logistic"
        return fit(
            rows,
            self.loss,
            Family(self.method.constraint, Coupled(tuple(held[0].shape), len(held), self.protocol.lr)),
            log_loss if logistic else half_squares,
            points=self.protocol.strengths,
            span=self.protocol.span,
            folds=self.protocol.folds,
            seed=self.spec.seed,
            stratify=logistic,
            tolerance=self.protocol.tolerance,
            iterations=self.protocol.updates,
            on_curve=on_curve,
        )

    def result(self, on_epoch: OnEpoch | None = None) -> dict[str, Any]:
        """Choose and fit on the training part, then read the test split once; the fields of a finished record."""
        settle_devices()
        gc.collect()
        reset_peak_memory(CPU)
        names = [task.name for task in self.model.tasks]
        train = self.data("train")
        rows = Rows([train.inputs[t] for t in names], [train.targets[t].flatten() for t in names], names)
        start, began = self.model.copies(), time.perf_counter()
        found = self.solve(rows, on_epoch)
        seconds = time.perf_counter() - began
        weights, intercepts = found.model()
        self.form.set_(weights, intercepts)
        states, kinds = evaluate([(self.model, TrainState())], self.data("test")), self.protocol.metrics
        return {
            "tasks": self.model.reported,
            "statistics": {"val": states},
            "scores": {"val": {task: score(kinds[task], state) for task, state in states.items()}},
            "selection": {"val": dict.fromkeys(self.model.reported, 1)},
            "solution": self._solution(found),
            "cost": Cost(
                parameters=found.solution.W.numel() + len(self.form.intercepts),
                forward_flops=2 * len(names) * rows.features,
                step_ms=round(1000 * found.seconds / max(1, found.solution.iterations), 4),
                train_seconds=round(seconds, 3),
                peak_memory_mb=round(peak_memory_mb(CPU), 1),
                hardware=hardware(CPU),
            ),
            "data": self.suite.checksums(),
            "matrices": {name: Packed.pack(m.numpy()) for name, m in self._matrices(found, weights).items()},
            "effective_sharing": effective_sharing(start, self.model.copies()),
        }

    def _solution(self, found: Fitted) -> Solution:
        certificate = found.solution.certificate
        return Solution(
            strength=found.strength and _rounded(found.strength),
            settings=found.settings,
            strengths=[_rounded(strength) for strength in (found.chosen.strengths if found.chosen else [])],
            errors=[_rounded(error) for error in (found.chosen.errors if found.chosen else [])],
            at_the_end=found.at_the_end,
            objective=_rounded(found.solution.objective),
            certificate=certificate.kind,
            value=float(f"{certificate.value:.3g}"),
            met=certificate.met,
            iterations=found.solution.iterations,
        )

    def _matrices(self, found: Fitted, weights: Tensor) -> dict[str, Tensor]:
        """What was recovered, each beside the truth where that is known, and what the constraint learned.

        A support is left out where all is in use, and in truth too.
        """
        shown = described(weights)
        truth = self.suite.known_weights(self.spec.seed)
        known = {} if truth is None else described(truth)
        if all(bool(part["support"].all()) for part in (shown, known) if part):
            shown.pop("support")  # every weight is in use, as it should be
        pairs = {name: part for key in shown for name, part in ((key, shown), (f"true {key}", known)) if key in part}
        learned = {name: m for name, m in found.penalty.matrices().items() if m.shape[-1] <= LARGEST}
        matrices = {name: part[name.removeprefix("true ")] for name, part in pairs.items()}
        return matrices | {f"learned {name}": matrix for name, matrix in learned.items()}


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


def half_squares(z: Tensor, y: Tensor) -> Tensor:
    """sum (z - y)^2 / 2."""
    return (z - y).square().sum() / 2


def log_loss(z: Tensor, y: Tensor) -> Tensor:
    """sum log(1 + e^z) - y z."""
    return (torch.nn.functional.softplus(z) - y * z).sum()


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
