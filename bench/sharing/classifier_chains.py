"""Chains of classifiers: logistic regressions that see the labels before them as inputs. Through scikit-learn."""

import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from bench.api import (
    Blueprint,
    Found,
    Ge,
    Gt,
    OnStep,
    SelfFitting,
    Suite,
    TrainState,
    UsageError,
    group_by_input,
    register,
)
from bench.toolbox.outcomes import Outcome, read_common_rows

LEAST = 1e-12  # of a probability whose logarithm is taken
GRADIENT = 1e-6  # of a regression, at its end: where scikit-learn stops


@register(
    "classifier_chains",
    title="Chains of classifiers",
    family="kernels, trees, neighbours",
    paper="Read, Pfahringer, Holmes, Frank, Classifier Chains for Multi-label Classification, Machine Learning 85, "
    "2011",
)
class ClassifierChains(SelfFitting):
    """P(y_t = 1 | x, y_s) = sigma(w_t . x + sum_s v_ts y_s + b_t), over the labels s that stand before t in the chain.

    Logistic regressions in the `ClassifierChain` of scikit-learn. In training v_ts reads the true labels; at prediction
    those that the chain has found for the row. Of several chains the probabilities are averaged. Every task is binary,
    and all label the same rows. Inputs are taken as they are: their scale decides how much `c` holds them.

    chained: false leaves out every v_ts: a logistic regression of each label by itself, that of scikit-learn.
    order: `given` puts the labels as the suite has them, `random` in an order drawn for each chain.
    count: chains; with `order=given` they would all be one.
    links: what is handed on at prediction, `labels` 0 or 1, or `probabilities`.
    c: inverse strength of the penalty |(w_t, v_t)|^2 / 2 beside the sum of the log losses of the rows.

    Its twin is `chained=false`: no label sees another.
    """

    tolerance = 1e-3
    packages = ("scikit-learn",)
    twin = "chained=false"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        chained: bool = True,
        order: Literal["given", "random"] = "given",
        count: Annotated[int, Ge(1)] = 1,
        links: Literal["labels", "probabilities"] = "labels",
        c: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        super().__init__()
        if count > 1 and (order == "given" or not chained):
            raise ValueError(f"`count` should be 1 unless chains are in random orders. Found `count = {count}`.")
        self.tasks, self.chained, self.order, self.count, self.c = blueprint.tasks, chained, order, count, c
        self.response = "predict" if links == "labels" else "predict_proba"
        self.output_shape = (1,)
        self.chains: list[Any] = []  # of scikit-learn, from the fit on

    def fit(
        self,
        inputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        iterations: int,
        generator: torch.Generator,
        on_step: OnStep | None = None,
    ) -> Found:
        """Fit every regression of every chain.

        The objective is the sum of their penalised log losses, the residual the largest of a regression.

        Raises UsageError where tasks have labels in different rows, and where a label is the same in all of them.
        """
        rows = read_common_rows("classifier_chains", inputs).numpy()
        Y = np.stack([targets[task].numpy().flatten() > 0.5 for task in self.tasks], axis=1)
        for task, labels in zip(self.tasks, Y.T, strict=True):
            if labels.all() or not labels.any():
                raise UsageError(
                    f"`classifier_chains` needs rows with and without a label. Found `{task}` {int(labels[0])} in all "
                    f"{len(labels)}."
                )
        objective, residual, steps, numbers = 0.0, 0.0, 0, 0
        for chain in range(self.count):
            order = list(range(len(self.tasks)))
            if self.order == "random":
                order = torch.randperm(len(order), generator=generator).tolist()
            self.chains.append(self._fit_chain(rows, Y, order, iterations))
            for place, model in enumerate(self._list_models(chain)):
                seen = np.hstack([rows, Y[:, order[:place]]]) if self.chained else rows
                value, left = _examine(model, seen, Y[:, order[place]], self.c)
                objective, residual = objective + value, max(residual, left)
                steps, numbers = steps + int(model.n_iter_.max()), numbers + model.coef_.size + 1
            if on_step:
                on_step(chain + 1, self.count)
        return Found(objective, residual, steps, numbers)

    def _fit_chain(self, rows: np.ndarray, Y: np.ndarray, order: list[int], iterations: int) -> Any:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression  # not at the top: it takes long to import
        from sklearn.multioutput import ClassifierChain, MultiOutputClassifier

        model = LogisticRegression(C=self.c, tol=GRADIENT, max_iter=iterations)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the residual tells
            if not self.chained:
                # Of the same order, so that both kinds of models are listed alike.
                return MultiOutputClassifier(model).fit(rows, Y[:, order].astype(int)), order
            return ClassifierChain(model, order=order, chain_method=self.response).fit(rows, Y.astype(int)), order

    def _list_models(self, chain: int) -> list[Any]:
        """The regressions of a chain, in its order."""
        return list(self.chains[chain][0].estimators_)

    def _estimate(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, T) of the labels of rows (n, d), in the order of the tasks."""
        total = np.zeros((len(rows), len(self.tasks)))
        for model, order in self.chains:
            found = model.predict_proba(rows)
            if self.chained:
                total += found
            else:
                total[:, order] += np.stack([each[:, 1] for each in found], axis=1)
        return np.asarray(total / len(self.chains))

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> logits log p / (1 - p) (n, 1) at rows (n, d); 0 before the fit."""
        found: dict[str, Tensor] = {}
        for x, tasks in group_by_input(inputs):
            if not self.chains:
                found |= {task: x.new_zeros(len(x), 1) for task in tasks}
                continue
            p = np.clip(self._estimate(x.detach().double().numpy()), LEAST, 1 - LEAST)
            logits = torch.from_numpy(np.log(p) - np.log1p(-p)).to(x)
            found |= {task: logits[:, [self.tasks.index(task)]] for task in tasks}
        return {task: found[task] for task in inputs}

    def matrices(self) -> dict[str, Tensor]:
        """`links` (T, T): v_ts of the first chain, row t of what label t reads of label s; nothing without a chain."""
        if not self.chained or not self.chains:
            return {}
        links, order = torch.zeros(len(self.tasks), len(self.tasks), dtype=torch.float64), self.chains[0][1]
        for place, model in enumerate(self._list_models(0)):
            links[order[place], order[:place]] = torch.from_numpy(model.coef_[0, -place:] if place else np.zeros(0))
        return {"links": links}

    def supports(self, suite: Suite) -> str | None:
        """Refuses inputs of their own and tasks that are not binary, besides what every self-fitting sharing does."""
        if suite.own_inputs:
            return "chains labels of the same rows; this suite's tasks have rows of their own."
        for task in suite.tasks:
            if (outcome := Outcome.of(task)) is None or not outcome.logit:
                return f"predicts labels of 0 or 1 (here `{task.name}` is of kind `{task.metric().kind}`)."
        return super().supports(suite)


def _examine(model: Any, x: np.ndarray, y: np.ndarray, c: float) -> tuple[float, float]:
    """c sum log(1 + e^z) - y z + |w|^2 / 2 of a regression, and its |gradient| over that where w and b are 0."""
    w, z = model.coef_[0], x @ model.coef_[0] + model.intercept_[0]
    value = c * float((np.logaddexp(0, z) - y * z).sum()) + float(w @ w) / 2

    def slope(p: np.ndarray, w: np.ndarray) -> float:
        return float(np.hypot(np.linalg.norm(c * x.T @ (p - y) + w), c * (p - y).sum()))

    from scipy.special import expit

    return value, slope(expit(z), w) / slope(np.full(len(y), 0.5), 0 * w)
