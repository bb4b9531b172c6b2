"""The solver as estimators of scikit-learn: regression of several tasks, with inputs in common or of their own."""

import math
import warnings
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from bench.core.constraint import Coupled
from bench.errors import UsageError
from bench.linear.choose import Fitted, fit, fit_at
from bench.linear.family import STRENGTH, Family
from bench.linear.rows import Rows
from bench.linear.squared import Squared
from bench.records import parse_call
from bench.registry import choose
from bench.schema import write

Intercept = Literal["task", "pooled", "shrunk", "none"]


class _Base(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What the two have in common: rows in, weights out."""

    constraint: str
    intercept: Intercept
    intercept_strength: float
    tol: float
    max_iter: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _rows(self, X: ArrayLike, y: ArrayLike, tasks: ArrayLike | None) -> Rows:
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        inputs, targets = torch.from_numpy(np.array(X)), torch.from_numpy(np.array(y, dtype=np.float64))
        self.tasks_ = None
        if tasks is None:
            self._single = targets.dim() == 1
            columns = targets[:, None] if self._single else targets
            rows = Rows([inputs] * columns.shape[1], list(columns.T), [f"target {t}" for t in range(columns.shape[1])])
        else:
            labels = np.asarray(tasks)
            if targets.dim() != 1 or labels.shape != tuple(targets.shape):
                raise ValueError(
                    f"With `tasks`, y and tasks should hold one entry for each of the {len(inputs)} rows. Found shapes "
                    f"{tuple(targets.shape)} and {labels.shape}."
                )
            self.tasks_, place = np.unique(labels, return_inverse=True)
            self._single = False
            at = [torch.from_numpy(np.flatnonzero(place == t)) for t in range(len(self.tasks_))]
            rows = Rows([inputs[i] for i in at], [targets[i] for i in at], [str(label) for label in self.tasks_])
        constant = rows.constant_columns() if self.intercept != "none" else []
        if constant:
            raise ValueError(
                f"Every column should vary where there is an intercept. Found one value in column {constant[0]}; leave "
                "it out, or set intercept='none'."
            )
        return rows

    def _loss(self, rows: Rows) -> Squared:
        known = {"task": 0.0, "pooled": math.inf, "shrunk": self.intercept_strength, "none": None}
        if self.intercept not in known:
            raise ValueError(f"`intercept` should be one of {', '.join(known)}. Found `intercept = {self.intercept}`.")
        if not self.intercept_strength >= 0:
            raise ValueError(
                f"`intercept_strength` should be at least 0. Found `intercept_strength = {self.intercept_strength}`."
            )
        return Squared(rows, known[self.intercept])

    def _family(self, rows: Rows, strength: float | None) -> Family:
        call = parse_call(self.constraint)
        if STRENGTH in call.options:
            raise ValueError(f"The strength should be given apart. Found `constraint = {self.constraint}`.")
        options = call.options | ({} if strength is None else {STRENGTH: write(float(strength))})
        coupled = Coupled((1, rows.features), len(rows.names), 1.0)
        return Family(choose("constraint", type(call)(call.name, options)), coupled)

    def _keep(self, found: Fitted) -> None:
        certificate = found.solution.certificate
        weights, intercepts = found.model()
        coefficients = weights.T.numpy().copy()
        self.coef_ = coefficients[0] if self._single else coefficients
        self.intercept_ = float(intercepts[0]) if self._single else intercepts.numpy().copy()
        self.n_iter_ = max(1, found.solution.iterations)
        self.objective_, self.certificate_ = found.solution.objective, certificate
        self.matrices_ = {name: matrix.numpy().copy() for name, matrix in found.penalty.matrices().items()}
        if not certificate.met:
            warnings.warn(
                f"The {certificate.kind} is {certificate.value:.1e} after {found.solution.iterations} iterations, not "
                f"{certificate.tolerance:.1e}; raise `max_iter`.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def predict(self, X: ArrayLike, tasks: ArrayLike | None = None) -> np.ndarray:
        """x w_t + b_t: (n,) of one target, or with `tasks`, the task of each row; else (n, T). KeyError: new task."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        if self.tasks_ is None:
            found: np.ndarray = X @ self.coef_.T + self.intercept_
            return found
        if tasks is None:
            raise ValueError("`predict` should be given the tasks of its rows, as `fit` was.")
        labels = np.asarray(tasks)
        place = np.searchsorted(self.tasks_, labels).clip(max=len(self.tasks_) - 1)
        if (self.tasks_[place] != labels).any():
            raise KeyError(f"`fit` has seen no task {labels[self.tasks_[place] != labels][0]!r}.")
        chosen: np.ndarray = (X * self.coef_[place]).sum(axis=1) + np.asarray(self.intercept_)[place]
        return chosen


class MultiTaskRegressor(_Base):
    """min_W,b sum_ti (y_ti - x_ti w_t - b_t)^2 / 2 + strength * N(W), N a constraint of the registry.

    A sum over rows: scikit-learn's `MultiTaskLasso(alpha)` is `constraint="l21"` at strength n * alpha.

    constraint: its name, with options other than the strength, as in `trace_norm` or `cluster:k=3`; one with a prox.
    strength: at least 0.
    intercept: `task`, one for each, unpenalised; `pooled`, one for all; `shrunk` towards a common one by
        intercept_strength * sum_t (b_t - mean b)^2; `none`.
    tol: of the certificate: relative duality gap of norms, relative residual of the others.
    max_iter: of proximal gradient steps.

    After `fit`: `coef_` (T, d), `intercept_` (T,), for one target (d,) and a number; `certificate_`, `objective_`,
    `n_iter_`, `tasks_` (labels in the order of `coef_`, with `tasks`) and `matrices_`, what the constraint learned.
    """

    def __init__(
        self,
        constraint: str = "l21",
        strength: float = 1.0,
        *,
        intercept: Intercept = "task",
        intercept_strength: float = 1.0,
        tol: float = 1e-8,
        max_iter: int = 20_000,
    ) -> None:
        self.constraint = constraint
        self.strength = strength
        self.intercept = intercept
        self.intercept_strength = intercept_strength
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike, tasks: ArrayLike | None = None) -> "MultiTaskRegressor":
        """Inputs in common: y (n, T) or (n,). Of their own: y (n,) and `tasks` (n,), the label of each row's task."""
        rows = self._rows(X, y, tasks)
        self._keep(fit_at(rows, self._loss, self._family(rows, self.strength), self.tol, self.max_iter))
        return self


class MultiTaskRegressorCV(_Base):
    """`MultiTaskRegressor` at the strength that cross-validation chooses, with its other open options.

    constraint, intercept, intercept_strength, tol, max_iter: as there. Options with a list of choices, as the `k` of
        `cluster`, are chosen too unless they are given.
    n_strengths: of the path, from the critical strength (or one that all but ties) to `span` times it.
    span: the last strength over the first.
    cv: number of folds.
    random_state: of the folds.

    After `fit` also `strength_`, `settings_` (other options chosen) and `curves_`: for each choice of the
    others the strengths, and half the squared errors per row left out.
    """

    def __init__(
        self,
        constraint: str = "l21",
        *,
        n_strengths: int = 20,
        span: float = 1e-3,
        cv: int = 5,
        random_state: int = 0,
        intercept: Intercept = "task",
        intercept_strength: float = 1.0,
        tol: float = 1e-8,
        max_iter: int = 20_000,
    ) -> None:
        self.constraint = constraint
        self.n_strengths = n_strengths
        self.span = span
        self.cv = cv
        self.random_state = random_state
        self.intercept = intercept
        self.intercept_strength = intercept_strength
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike, tasks: ArrayLike | None = None) -> "MultiTaskRegressorCV":
        """As `MultiTaskRegressor.fit`."""
        rows = self._rows(X, y, tasks)
        if min(rows.counts) < 2:
            few = rows.names[int(torch.argmin(rows.counts))]
            raise UsageError(f"`{few}` should have 2 samples or more to leave some out. Found 1 sample.")
        found = fit(
            rows,
            self._loss,
            self._family(rows, None),
            _half_squares,
            points=self.n_strengths,
            span=self.span,
            folds=self.cv,
            seed=self.random_state,
            tolerance=self.tol,
            iterations=self.max_iter,
        )
        self.strength_, self.settings_, self.curves_ = found.strength, found.settings, found.curves
        self._keep(found)
        return self


def _half_squares(z: Tensor, y: Tensor) -> Tensor:
    return (z - y).square().sum() / 2
