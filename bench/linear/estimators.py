"""The solver as estimators of scikit-learn: regression of several tasks, with inputs in common or of their own.

They add to the solver what scikit-learn expects of estimators, and the scaling of rows of unusual size.
"""

import math
import warnings
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import Interval, StrOptions  # not public, but what estimators elsewhere use too
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from bench.errors import UsageError
from bench.linear.choose import Fitted, StrengthCurve, fit_at, fit_family, half_squares
from bench.linear.family import STRENGTH, PenaltyFamily
from bench.linear.labels import find_places, read_labels
from bench.linear.rows import TaskRows
from bench.linear.scale import Scaled, scale
from bench.linear.squared import Squared

# One per task, one for all, one per task shrunk towards a common one, or none.
Intercept = Literal["task", "pooled", "shrunk", "none"]
TASKS_WANTED = (
    "`{0}` should be given the `tasks` of its rows, as `fit` was. In `GridSearchCV` and its like they arrive after "
    "`sklearn.set_config(enable_metadata_routing=True)`."
)


class _Base(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What the two estimators have in common: rows in, weights out."""

    constraint: str
    intercept: Intercept
    intercept_strength: float
    tol: float
    max_iter: int

    # Where metadata is routed, `tasks` go along without a request, to whichever of these is called.
    __metadata_request__fit: ClassVar = {"tasks": True}
    __metadata_request__predict: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "constraint": [str],
        "intercept": [StrOptions(set(get_args(Intercept)))],
        "intercept_strength": [Interval(Real, 0, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _scale(self, X: ArrayLike, y: ArrayLike, tasks: ArrayLike | None) -> Scaled:
        """Rows of ordinary size, task by task, from arrays as scikit-learn takes them; sets `tasks_`.

        Args as those of `fit`. Raises ValueError where shapes do not fit, or numbers are not finite.
        """
        X, y = _validate(self, X, y)
        inputs, targets = torch.from_numpy(np.array(X)), torch.from_numpy(np.array(y, dtype=np.float64))
        self.tasks_ = None
        if tasks is None:
            self._single = targets.dim() == 1
            columns = targets[:, None] if self._single else targets
            names = [f"target {t}" for t in range(columns.shape[1])]
            rows = TaskRows.keep_labelled([inputs] * len(names), list(columns.T), names)
        else:
            labels = read_labels(tasks, len(inputs))
            if targets.dim() != 1:
                raise ValueError(
                    f"With `tasks`, y should hold one target for each of the {len(inputs)} rows. Found shape "
                    f"{tuple(targets.shape)}."
                )
            self.tasks_, place = np.unique(labels, return_inverse=True)
            self._single = False
            at = [torch.from_numpy(np.flatnonzero(place == t)) for t in range(len(self.tasks_))]
            names = [str(label) for label in self.tasks_]
            rows = TaskRows.keep_labelled([inputs[i] for i in at], [targets[i] for i in at], names)
        return scale(rows, own=self.intercept == "task", common=self.intercept in ("pooled", "shrunk"))

    def _make_loss(self, rows: TaskRows) -> Squared:
        """Squared loss with the intercepts that were asked for, as the rho of `Loss`."""
        known = {"task": 0.0, "pooled": math.inf, "shrunk": float(self.intercept_strength), "none": None}
        return Squared(rows, known[self.intercept])

    def _keep(self, fitted: Fitted, scaled: Scaled) -> None:
        """Set the attributes of a fitted estimator, in the units of X and y. Warns where it did not converge."""
        certificate = fitted.solution.certificate
        weights, intercepts = scaled.model_back(*fitted.model())
        coefficients = weights.T.numpy().copy()
        self.coef_ = coefficients[0] if self._single else coefficients
        self.intercept_ = float(intercepts[0]) if self._single else intercepts.numpy().copy()
        self.n_iter_ = max(1, fitted.solution.iterations)  # scikit-learn expects at least 1
        self.objective_ = scaled.squares_back(fitted.solution.objective)
        self.certificate_ = replace(certificate, objective=self.objective_)
        self.matrices_ = {name: matrix.numpy().copy() for name, matrix in fitted.penalty.matrices().items()}
        if not certificate.met:
            warnings.warn(
                f"The {certificate.kind} is {certificate.value:.1e} after {fitted.solution.iterations} iterations, not "
                f"{certificate.tolerance:.1e}; raise `max_iter`.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def predict(self, X: ArrayLike, tasks: ArrayLike | None = None) -> np.ndarray:
        """x w_t + b_t: (n,) of one target, or with `tasks`; else (n, T).

        X: (n, d), with the columns of `fit`.
        tasks: (n,), the label of each row's task, where `fit` was given them.

        Raises ValueError for labels that `fit` has not seen, and where `tasks` are missing or not wanted.
        """
        check_is_fitted(self)
        inputs: np.ndarray = validate_data(self, X, reset=False, dtype=np.float64)
        if self.tasks_ is None:
            if tasks is not None:
                raise ValueError("`predict` should be given no `tasks`, since `fit` was given none.")
            predicted: np.ndarray = inputs @ self.coef_.T + self.intercept_
            return predicted
        if tasks is None:
            raise ValueError(TASKS_WANTED.format("predict"))
        place = find_places(self.tasks_, read_labels(tasks, len(inputs)))
        chosen: np.ndarray = (inputs * self.coef_[place]).sum(axis=1) + np.asarray(self.intercept_)[place]
        return chosen

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, tasks: ArrayLike | None = None
    ) -> float:
        """R^2 of `predict`: over the rows of all tasks, or the mean over targets. At most 1; raises as `predict`.

        Labels that are missing (NaN) are left out; so are targets with fewer than two labels, which have no R^2.
        """
        check_is_fitted(self)
        if self.tasks_ is not None and tasks is None:
            raise ValueError(TASKS_WANTED.format("score"))
        return _score_labelled(y, self.predict(X, tasks), sample_weight)


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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**_Base._parameter_constraints, STRENGTH: [Real]}

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
        """Fit weights and intercepts; returns the estimator.

        X: (n, d).
        y: (n, T) or (n,) where all targets have the same inputs; (n,) with `tasks`. NaN is a label that is missing:
            the row is then none of that task's.
        tasks: (n,), the label of each row's task, where tasks have rows of their own.

        Raises ValueError for shapes, labels or options that do not fit; ConvergenceWarning where `max_iter`
        was not enough.
        """
        self._validate_params()
        scaled = self._scale(X, y, tasks)
        family = PenaltyFamily.parse(self.constraint, scaled.rows.features, len(scaled.rows.names), self.strength)
        family = family.fix_strength(scaled.scale_strength(float(self.strength), family.degree()))
        self._keep(fit_at(scaled.rows, self._make_loss, family, self.tol, self.max_iter), scaled)
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_Base._parameter_constraints,
        "n_strengths": [Interval(Integral, 1, None, closed="left")],
        "span": [Interval(Real, 0, 1, closed="neither")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "random_state": [Integral],
    }

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
        """As `MultiTaskRegressor.fit`; every task needs 2 rows or more."""
        self._validate_params()
        scaled = self._scale(X, y, tasks)
        rows = scaled.rows
        family = PenaltyFamily.parse(self.constraint, rows.features, len(rows.names))
        if min(rows.counts) < 2:
            few = rows.names[int(torch.argmin(rows.counts))]
            raise UsageError(f"`{few}` should have 2 samples or more to leave some out. Found 1 sample.")
        fitted = fit_family(
            rows,
            self._make_loss,
            family,
            half_squares,
            points=int(self.n_strengths),
            span=float(self.span),
            folds=int(self.cv),
            seed=int(self.random_state),
            tolerance=self.tol,
            iterations=self.max_iter,
        )
        back = partial(scaled.strength_back, degree=family.degree())
        self.strength_, self.settings_ = None if fitted.strength is None else back(fitted.strength), fitted.settings
        self.curves_ = [
            StrengthCurve(
                curve.settings, [back(v) for v in curve.strengths], [scaled.squares_back(e) for e in curve.errors]
            )
            for curve in fitted.curves
        ]
        self._keep(fitted, scaled)
        return self


def _validate(estimator: BaseEstimator, X: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """X (n, d) and y (n,) or (n, T), float64, as scikit-learn checks them, but for labels that are missing (NaN)."""
    of_X = {"dtype": np.float64, "estimator": estimator}
    of_y = {"dtype": np.float64, "ensure_2d": False, "ensure_all_finite": "allow-nan", "estimator": estimator}
    checked: tuple[np.ndarray, np.ndarray] = validate_data(estimator, X, y, validate_separately=(of_X, of_y))
    check_consistent_length(*checked)
    return checked


def _score_labelled(y: ArrayLike, predicted: np.ndarray, weights: ArrayLike | None) -> float:
    """R^2 of predictions (n,) or (n, T), over the labels of each target that are there; the mean over targets.

    Where all are there it is scikit-learn's. Raises ValueError as that does, as for infinite labels.
    """
    truth = check_array(y, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y")
    labelled = ~np.isnan(truth)
    if labelled.all() or truth.shape != predicted.shape:
        return float(r2_score(y, predicted, sample_weight=weights))
    weight = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=np.float64)
    columns = zip(*(each.reshape(len(truth), -1).T for each in (truth, predicted, labelled)), strict=True)
    scores = [
        r2_score(true[kept], made[kept], sample_weight=weight[kept]) for true, made, kept in columns if kept.sum() > 1
    ]
    return float(np.mean(scores)) if scores else math.nan
