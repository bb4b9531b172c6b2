"""Means over near rows, by a metric that the errors of all tasks choose: kernel regression and nearest neighbours.

    D_t(x, z)^2 = sum_j w_tj^2 (x_j - z_j)^2 / s_j^2

with the standard deviation s_j of attribute j in the rows of task t. The rows of a task predict that task only; what
tasks share is what they say of the attributes. For the learner of task t, w_t minimises

    E_t(w) + lam / (T - 1) sum_{s != t} E_s(w)

with E_s the leave-one-out error of kernel regression on the training rows of task s: squared error over the variance of
the targets, or cross entropy over the entropy of the classes, so that 1 is the error of the best constant.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from bench.api import Blueprint, Found, Ge, OnStep, SelfFitting, Suite, TrainState, UsageError, register
from bench.toolbox.leave_one_out import Labelled, Neighbourhood, learn_weights, split_queries, square_distances
from bench.toolbox.outcomes import Outcome, explain_outcomes, weigh_tasks


class NearRows(SelfFitting):
    """Predictions are averages of a task's training labels, by weights that follow from the metric of the task."""

    tolerance = 1e-2
    packages = ("scipy",)
    twin = "lam=0"
    metric: Tensor  # (T, d): w, of attributes over their standard deviations
    shift: Tensor  # (T, d): means of attributes over the rows of each task
    scale: Tensor  # (T, d): their standard deviations

    def __init__(self, blueprint: Blueprint, lam: float, rows: int) -> None:
        super().__init__()
        self.tasks, self.lam, self.rows = blueprint.tasks, lam, rows
        # Where a task is none of these, `supports` refuses the suite.
        self.outcomes = [Outcome.of(task) or Outcome() for task in blueprint.suite.tasks]
        self.output_shape = (1,)
        shape = len(self.tasks), blueprint.suite.input_shape[0]
        self.register_buffer("metric", torch.ones(shape))
        self.register_buffer("shift", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))
        self.labelled: list[tuple[Tensor, Tensor]] = []  # rows and columns of labels of each task, from the fit on

    @abstractmethod
    def average(self, distances: Tensor, columns: Tensor) -> Tensor:
        """Estimates (m, C) from squared distances (m, n) and columns of labels (n, C)."""

    def fit(
        self,
        inputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        iterations: int,
        generator: torch.Generator,
        on_step: OnStep | None = None,
    ) -> Found:
        """Learn the metric of each task; the objective is the sum of their errors, the residual the largest.

        Raises UsageError for a task with a single row, which leaves none to be predicted from.
        """
        distinct = list({id(x): x for x in inputs.values()}.values())
        places = [self._place(x, inputs, targets, generator) for x in distinct]
        found = []
        for t, task in enumerate(self.tasks):
            spread = inputs[task].std(dim=0, correction=0)
            self.shift[t], self.scale[t] = inputs[task].mean(dim=0), torch.where(spread > 0, spread, 1.0)
            seen = [replace(place, x=self._standardise(t, place.x)) for place in places]
            self.metric[t], each = learn_weights(seen, weigh_tasks(t, len(self.tasks), self.lam), iterations)
            found.append(each)
            if on_step:
                on_step(t + 1, len(self.tasks))
        by_task = {each.task: (place.x, each.columns) for place in places for each in place.labels}
        self.labelled = [by_task[t] for t in range(len(self.tasks))]
        return Found(
            sum(each.objective for each in found),
            max(each.residual for each in found),
            sum(each.iterations for each in found),
            sum(each.parameters for each in found),
        )

    def _place(
        self, x: Tensor, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], generator: torch.Generator
    ) -> Neighbourhood:
        """The rows `x` with the labels of all tasks that read them."""
        labels = []
        for t, (task, outcome) in enumerate(zip(self.tasks, self.outcomes, strict=True)):
            if inputs[task] is x:
                if len(x) < 2:
                    raise UsageError(f"`{task}` should have two rows with a label or more. Found one.")
                columns = outcome.write_columns(targets[task])
                labels.append(Labelled(t, outcome, columns, outcome.measure_spread(columns)))
        queries = torch.arange(len(x))
        if len(x) > self.rows:
            queries = torch.randperm(len(x), generator=generator)[: self.rows].sort().values
        return Neighbourhood(x, labels, queries)

    def _standardise(self, task: int, x: Tensor) -> Tensor:
        """Rows (n, d) in units of the deviations of a task's attributes from their means, float64."""
        return (x.double() - self.shift[task]) / self.scale[task]

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> predictions (n, ...) at rows (n, d)."""
        return {task: self._predict(self.tasks.index(task), x) for task, x in inputs.items()}

    def _predict(self, task: int, x: Tensor) -> Tensor:
        outcome = self.outcomes[task]
        if not self.labelled:
            return outcome.predict_unfitted(x)
        rows, columns = self.labelled[task]
        near, queries = (self._standardise(task, each) * self.metric[task] for each in (rows, x))
        parts = split_queries(torch.arange(len(x)), len(near))
        estimates = [self.average(square_distances(queries[part], near), columns) for part in parts]
        return outcome.predict(torch.cat(estimates)).to(x)

    def matrices(self) -> dict[str, Tensor]:
        """`metric` (T, d): the weights w of attributes in units of their standard deviations, a row for each task."""
        return {"metric": self.metric}

    def supports(self, suite: Suite) -> str | None:
        """Refuses tasks that no average of labels predicts, besides what every self-fitting sharing does."""
        return super().supports(suite) or explain_outcomes(suite.tasks)


@register(
    "kernel_regression",
    title="Kernel regression",
    family="kernels, trees, neighbours",
    paper="Caruana, Multitask Learning, Machine Learning 28, 1997, section 5.1; Nadaraya, On Estimating Regression, "
    "Theory of Probability and its Applications 9, 1964",
)
class KernelRegression(NearRows):
    """y_t(x) = sum_i K(D_t(x, x_i)) y_ti / sum_i K(D_t(x, x_i)), K(D) = exp(-D^2 / 2): Nadaraya-Watson regression.

    The sum runs over the training rows of task t. All tasks choose the metric D_t (see the module): weights w_t of the
    attributes, bandwidth included, at a minimum of leave-one-out errors. Frequencies of classes are averaged likewise.
    Tasks may have rows of their own, and labels may be missing. Kinds of targets: numbers, classes, binary labels.

    lam: what the mean of the other tasks' errors counts beside the task's own. 0 is a learner of each task alone;
        T - 1 weighs T tasks alike, so that all have one metric; a larger one lets a task count less than the others.
    rows: leave-one-out errors are those of at most so many rows of a task, each predicted from all others; one step of
        the search costs as many operations as pairs of rows times attributes.

    Its twin is `lam=0`: the same learner, with each task's metric from its own errors.
    """

    def __init__(
        self, blueprint: Blueprint, *, lam: Annotated[float, Ge(0)] = 1.0, rows: Annotated[int, Ge(2)] = 2000
    ) -> None:
        super().__init__(blueprint, lam, rows)

    def average(self, distances: Tensor, columns: Tensor) -> Tensor:
        # As a softmax: far from all rows, where every kernel is 0 in float64, the nearest row is left.
        return distances.mul(-0.5).softmax(dim=1) @ columns


@register(
    "nearest_neighbours",
    title="Nearest neighbours",
    family="kernels, trees, neighbours",
    paper="Caruana, Multitask Learning, Machine Learning 28, 1997, section 5.1",
)
class NearestNeighbours(NearRows):
    """y_t(x) = the mean of y_ti over the k training rows of task t that are nearest by D_t: numbers, or votes.

    The metric is that of `kernel_regression`, with its options: the error of k neighbours is no smooth function of w,
    that of a kernel is. All rows where a task has fewer than k.

    k: neighbours, at least 1.
    lam: what the mean of the other tasks' errors counts in the metric of a task; 0 is a learner of each task alone.
    rows: leave-one-out errors are those of at most so many rows of a task.

    Its twin is `lam=0`: the same learner, with each task's metric from its own errors.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        k: Annotated[int, Ge(1)] = 10,
        lam: Annotated[float, Ge(0)] = 1.0,
        rows: Annotated[int, Ge(2)] = 2000,
    ) -> None:
        super().__init__(blueprint, lam, rows)
        self.k = k

    def average(self, distances: Tensor, columns: Tensor) -> Tensor:
        nearest = distances.topk(min(self.k, len(columns)), dim=1, largest=False).indices
        return columns[nearest].mean(dim=1)
