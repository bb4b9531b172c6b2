"""Trees whose splits serve all tasks: for each task a multi-output tree or forest. Through scikit-learn."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from bench.api import Blueprint, Found, Ge, OnStep, SelfFitting, Suite, TrainState, register
from bench.toolbox.outcomes import Outcome, explain_outcomes, read_common_rows, weigh_tasks


@register(
    "trees",
    title="Decision trees",
    family="kernels, trees, neighbours",
    paper="Caruana, Multitask Learning, Machine Learning 28, 1997, section 5.2",
)
class Trees(SelfFitting):
    """For each task t a tree, or forest, whose splits minimise MSE_t + lam / (T - 1) sum_{s != t} MSE_s.

    The mean squared errors are those of the means in the leaves, of targets of variance 1; of one-hot columns of
    classes, whose variances sum to 1, the error of a split is its Gini impurity. Predictions are the leaf's mean of
    task t alone, and its frequencies of classes. With lam = 0 it is scikit-learn's tree or forest of the task by
    itself, split by split. Tasks label the same rows: inputs of their own and missing labels are refused. Kinds of
    targets: numbers, classes, binary labels.

    kind: `tree`, or `forest`, the mean of trees on bootstrap samples of the rows (Breiman 2001), all attributes tried
        at every split.
    depth: of a tree, at most; 0 for no bound.
    leaf: training rows in a leaf, at least.
    count: trees of a forest.
    lam: what the mean of the other tasks' errors counts beside the task's own.

    Its twin is `lam=0`: trees of each task alone.
    """

    tolerance = 0.0
    packages = ("scikit-learn",)
    twin = "lam=0"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        kind: Literal["tree", "forest"] = "forest",
        depth: Annotated[int, Ge(0)] = 0,
        leaf: Annotated[int, Ge(1)] = 5,
        count: Annotated[int, Ge(1)] = 100,
        lam: Annotated[float, Ge(0)] = 1.0,
    ) -> None:
        super().__init__()
        self.tasks, self.kind, self.lam, self.count = blueprint.tasks, kind, lam, count if kind == "forest" else 1
        self.limits_of_trees = {"max_depth": depth or None, "min_samples_leaf": leaf}
        # Where a task is none of these, `supports` refuses the suite.
        self.outcomes = [Outcome.of(task) or Outcome() for task in blueprint.suite.tasks]
        self.output_shape = (1,)
        self.models: list[Any] = []  # of scikit-learn, one for each task, from the fit on

    def fit(
        self,
        inputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        iterations: int,
        generator: torch.Generator,
        on_step: OnStep | None = None,
    ) -> Found:
        """Grow the trees of each task. The objective is the sum over tasks of their training error over the variance.

        Raises UsageError where tasks have labels in different rows.
        """
        x = read_common_rows("trees", inputs)
        rows, columns = x.numpy(), [o.write_columns(targets[t]) for t, o in zip(self.tasks, self.outcomes, strict=True)]
        deviations = [each - each.mean(dim=0) for each in columns]
        # One scale for all columns of a class, so that their errors add up to the Gini impurity.
        scales = [math.sqrt(float(each.square().sum(dim=1).mean())) or 1.0 for each in deviations]
        objective, numbers, self.models = 0.0, 0, []
        for t in range(len(self.tasks)):
            weights = weigh_tasks(t, len(self.tasks), self.lam)
            # The task's own columns come first, as they are: with lam = 0 there are no others, and ties between splits,
            # which the last digit decides, are those of the task by itself.
            others = [
                weights[s].sqrt() * (scales[t] / scales[s]) * deviations[s]
                for s in range(len(self.tasks))
                if s != t and weights[s] > 0
            ]
            Y = torch.cat([columns[t], *others], dim=1).numpy()
            seed = int(torch.randint(2**31 - 1, (), generator=generator))
            self.models.append(self._make(seed).fit(rows, Y[:, 0] if Y.shape[1] == 1 else Y))
            objective += float((self._estimate(t, x) - columns[t]).square().sum(dim=1).mean()) / scales[t] ** 2
            # Attribute and threshold of a split, and the columns of a leaf.
            splits = [int((tree.tree_.feature >= 0).sum()) for tree in self._list_trees(t)]
            numbers += sum(2 * n + (n + 1) * columns[t].shape[1] for n in splits)
            if on_step:
                on_step(t + 1, len(self.tasks))
        return Found(objective, 0.0, self.count * len(self.tasks), numbers)

    def _make(self, seed: int) -> Any:
        from sklearn.ensemble import RandomForestRegressor  # not at the top: it takes long to import
        from sklearn.tree import DecisionTreeRegressor

        if self.kind == "tree":
            return DecisionTreeRegressor(random_state=seed, **self.limits_of_trees)
        return RandomForestRegressor(self.count, random_state=seed, n_jobs=1, **self.limits_of_trees)

    def _list_trees(self, task: int) -> list[Any]:
        return list(self.models[task].estimators_) if self.kind == "forest" else [self.models[task]]

    def _estimate(self, task: int, x: Tensor) -> Tensor:
        """Means of the task's columns in the leaves of rows x (n, d), (n, C) float64."""
        found = torch.from_numpy(self.models[task].predict(x.detach().double().numpy()))
        return found.reshape(len(x), -1)[:, : max(1, self.outcomes[task].classes)]

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> predictions (n, ...) at rows (n, d)."""
        return {task: self._predict(self.tasks.index(task), x) for task, x in inputs.items()}

    def _predict(self, task: int, x: Tensor) -> Tensor:
        outcome = self.outcomes[task]
        if not self.models:
            return outcome.predict_unfitted(x)
        return outcome.predict(self._estimate(task, x)).to(x)

    def supports(self, suite: Suite) -> str | None:
        """Refuses inputs of their own and tasks that no mean predicts, besides what every self-fitting sharing does."""
        if suite.own_inputs:
            return "grows trees on rows that all tasks label; this suite's tasks have rows of their own."
        return super().supports(suite) or explain_outcomes(suite.tasks)
