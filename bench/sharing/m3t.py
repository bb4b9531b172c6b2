"""Multi-modal multi-task learning: tasks choose the inputs of each modality together, then weigh modalities alone."""

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

import numpy as np
import torch
from sklearn.svm import SVR
from torch import Tensor

from bench.api import Blueprint, Found, Ge, Gt, OnStep, SelfFitting, Suite, TrainState, UsageError, register
from bench.linear.choose import fit_family, half_squares
from bench.linear.family import PenaltyFamily
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.toolbox.outcomes import NUMBERS

FOLDS = 5
POINTS, SPAN = 12, 1e-2  # strengths of a path, and the last over the first
TOLERANCE = 1e-5  # of a machine: its default leaves predictions apart by a hundredth


@register(
    "m3t",
    title="Multi-modal multi-task learning (M3T)",
    family="common structure",
    paper="Zhang, Shen, Multi-modal Multi-task Learning for Joint Prediction of Multiple Regression and Classification "
    "Variables in Alzheimer's Disease, NeuroImage 59, 2012",
)
class M3T(SelfFitting):
    """Inputs of each modality by group lasso over all tasks; then a support vector machine of each task on a mixture.

    Modality m has its columns of the inputs. Those that are used are the rows of W that are not 0 at the minimum of
    sum_t |y_t - X_t^m w_t|^2 / 2 + v sum_j |W_j|, v by cross-validation. Each task then has the kernel k(x, z) =
    sum_m c_m <x^m, z^m> / s_m on them, with s_m the mean of <x^m, x^m>, c_m >= 0, sum_m c_m = 1, on a grid, by
    cross-validation, and support vector regression with it. The tasks share what they select, and nothing else. Labels
    may be missing; rows that are equal are in one fold for all tasks. Kinds of targets: numbers; the paper has classes
    too, which are refused here.

    modalities: numbers of columns, in their order, as 20/20/20; without them all columns are one modality.
    joint: whether tasks select together; else each selects for itself, by the lasso.
    C: of the support vector machine, on targets of variance 1, above 0.
    epsilon: deviations below it cost nothing, on targets of variance 1.
    parts: of the grid: c_m is a multiple of 1 / parts.

    Its twin is `joint=false`: the same learner, without what tasks share.
    """

    tolerance = 0.0
    packages = ("scikit-learn",)
    twin = "joint=false"
    W: Tensor  # (d, T), of the inputs as they are
    b: Tensor  # (T,)
    mixture: Tensor  # (M, T): c of every modality

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        modalities: tuple[Annotated[int, Ge(1)], ...] | None = None,
        joint: bool = True,
        C: Annotated[float, Gt(0)] = 1.0,
        epsilon: Annotated[float, Ge(0)] = 0.1,
        parts: Annotated[int, Ge(1)] = 5,
    ) -> None:
        super().__init__()
        self.tasks, self.joint, self.C, self.epsilon, self.parts = blueprint.tasks, joint, C, epsilon, parts
        width = blueprint.suite.input_shape[0]
        sizes = modalities or (width,)
        if sum(sizes) != width:
            raise UsageError(f"`modalities` of `m3t` should sum to the {width} columns. Found {sum(sizes)}.")
        ends = np.cumsum(sizes)
        self.columns = [slice(int(end) - size, int(end)) for size, end in zip(sizes, ends, strict=True)]
        self.output_shape = (1,)
        self.register_buffer("W", torch.zeros(width, len(self.tasks), dtype=torch.float64))
        self.register_buffer("b", torch.zeros(len(self.tasks), dtype=torch.float64))
        self.register_buffer("mixture", torch.zeros(len(sizes), len(self.tasks), dtype=torch.float64))

    def fit(
        self,
        inputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        iterations: int,
        generator: torch.Generator,
        on_step: OnStep | None = None,
    ) -> Found:
        """Select inputs, choose mixtures, and fit; the objective is the error of cross-validation, over all tasks."""
        rows = [(inputs[task].double(), targets[task].double()) for task in self.tasks]
        for task, (_, y) in zip(self.tasks, rows, strict=True):
            if len(y) < FOLDS:
                raise UsageError(f"`{task}` should have {FOLDS} rows with a label or more. Found {len(y)}.")
        folds = _deal_units([X for X, _ in rows], generator)
        used = torch.cat([self._select([(X[:, part], y) for X, y in rows], folds) for part in self.columns])
        mixtures = [
            torch.tensor(counts, dtype=torch.float64) / self.parts
            for counts in itertools.product(range(self.parts + 1), repeat=len(self.columns))
            if sum(counts) == self.parts
        ]
        total = 0.0
        for t, ((X, y), fold) in enumerate(zip(rows, folds, strict=True)):
            shift, scale = y.mean(), y.std(correction=0) or 1.0
            middle = X.mean(dim=0)
            scaled, wanted = self._scale_modalities((X - middle) * used[:, t]), (y - shift) / scale
            errors = [self._try(scaled, mixture, wanted, fold) for mixture in mixtures]
            best = int(np.argmin(errors))
            total += errors[best]
            factor = self._spread(mixtures[best])
            w, b = self._fit_machine(scaled[0] * factor, wanted)
            # Back to the columns as they are: the kernel is linear, and so is its model.
            self.W[:, t] = scale * w * factor * scaled[1]
            self.b[t] = shift + scale * b - middle @ self.W[:, t]
            self.mixture[:, t] = mixtures[best]
            if on_step:
                on_step(t + 1, len(self.tasks))
        return Found(total, 0.0, len(mixtures), int(used.sum()) + len(self.tasks))

    def _select(self, rows: Sequence[tuple[Tensor, Tensor]], folds: Sequence[Tensor]) -> Tensor:
        """Which columns of one modality each task uses, bool (d, T)."""
        if self.joint:
            return select_inputs(rows, folds)[:, None].expand(-1, len(rows))
        alone = [select_inputs([each], [fold]) for each, fold in zip(rows, folds, strict=True)]
        return torch.stack(alone, dim=1)

    def _scale_modalities(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """X with the mean square of each modality at 1, and the factors of its columns (d,)."""
        factor = torch.zeros(X.shape[1], dtype=X.dtype)
        for part in self.columns:
            size = float(X[:, part].square().sum(dim=1).mean())
            factor[part] = size**-0.5 if size > 0 else 0.0
        return X * factor, factor

    def _spread(self, mixture: Tensor) -> Tensor:
        """sqrt(c_m) for every column (d,): columns times it have the mixed kernel as their product."""
        factor = torch.zeros(len(self.W), dtype=torch.float64)
        for part, c in zip(self.columns, mixture, strict=True):
            factor[part] = c.sqrt()
        return factor

    def _try(self, scaled: tuple[Tensor, Tensor], mixture: Tensor, y: Tensor, fold: Tensor) -> float:
        """The mean squared error of cross-validation with a mixture."""
        X, error = scaled[0] * self._spread(mixture), 0.0
        for number in range(FOLDS):
            kept, left = fold != number, fold == number
            if left.any() and kept.sum() > 1:
                w, b = self._fit_machine(X[kept], y[kept])
                error += float((X[left] @ w + b - y[left]).square().sum())
        return error / len(y)

    def _fit_machine(self, X: Tensor, y: Tensor) -> tuple[Tensor, float]:
        """Weights (d,) and intercept of support vector regression with the kernel X X^T."""
        machine = SVR(kernel="precomputed", C=self.C, epsilon=self.epsilon, tol=TOLERANCE).fit(
            (X @ X.T).numpy(), y.numpy()
        )
        dual = torch.zeros(len(y), dtype=torch.float64)
        dual[torch.from_numpy(machine.support_.astype(np.int64))] = torch.from_numpy(machine.dual_coef_[0])
        return X.T @ dual, float(machine.intercept_[0])

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> predictions (n, 1) at rows (n, d)."""
        places, W, b = {task: self.tasks.index(task) for task in inputs}, self.W.double(), self.b.double()
        return {task: (x.double() @ W[:, places[task]] + b[places[task]])[:, None].to(x) for task, x in inputs.items()}

    def weights(self) -> Tensor:
        """The weights (d, T): with linear kernels the machine is linear."""
        return self.W

    def matrices(self) -> dict[str, Tensor]:
        """`mixture` (M, T): c of every modality, a column for each task."""
        return {"mixture": self.mixture}

    def supports(self, suite: Suite) -> str | None:
        """Refuses targets that are no numbers, besides what every self-fitting sharing does."""
        if reason := super().supports(suite):
            return reason
        other = next((task for task in suite.tasks if task.metric().kind not in NUMBERS), None)
        return f"predicts numbers only (`{other.name}` is of another kind)." if other else None


def select_inputs(rows: Sequence[tuple[Tensor, Tensor]], folds: Sequence[Tensor]) -> Tensor:
    """Which inputs are used, bool (d,): where the group lasso at the strength of least error leaves a weight.

    rows: inputs (n_t, d) and targets (n_t,) of every task, float64; of one task it is the lasso. folds: the fold of
    every row of every task, int64 (n_t,).
    """
    inputs, targets = zip(*rows, strict=True)
    problem = TaskRows(inputs, targets, [f"task {t}" for t, _ in enumerate(rows)])
    parts = [
        ([(each != fold).nonzero()[:, 0] for each in folds], [(each == fold).nonzero()[:, 0] for each in folds])
        for fold in range(FOLDS)
        if min(int((each != fold).sum()) for each in folds) > 1
    ]
    family = PenaltyFamily.parse("l21", problem.features, len(rows))
    fitted = fit_family(problem, partial(Squared, rho=0.0), family, half_squares, points=POINTS, span=SPAN, folds=parts)
    return fitted.model()[0].any(dim=1)


def _deal_units(inputs: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """The fold of every row of every task, int64 (n_t,): rows with the same numbers are one unit, in one fold."""
    stacked = torch.cat(list(inputs))
    _, unit = torch.unique(stacked, dim=0, return_inverse=True)
    order = torch.randperm(int(unit.max()) + 1, generator=generator)
    return list(torch.split(order[unit] % FOLDS, [len(X) for X in inputs]))  # type: ignore[no-untyped-call]
