"""Baselines of scikit-learn, task by task: a floor that a network on a table should not be below.

They are given the training rows and scored on the test rows of the same seeds, by the same metrics. They are no runs of
a method: nothing of them is stored.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.core.data import Dataset
from bench.core.missing import find_labelled_rows
from bench.core.task import Task
from bench.core.task_choice import choose_columns
from bench.errors import Diverged
from bench.execution.ask.budget import Budget
from bench.planning.question import Question
from bench.scores import primary_error
from leaderboard.analysis.statistics import Interval, interval

SEEDS = 3
SHARE = 0.1  # of the budget that baselines take at most
LEAST = 1e-9  # of a probability whose logarithm is taken
BASELINES = ("linear", "boosting", "forest")  # in the order in which they are fitted
# Kind of metric -> what an estimator has to predict.
PREDICTED = {"regression": "number", "explained": "number", "classification": "class"}
PREDICTED |= dict.fromkeys(("ranking", "multilabel", "one_against_rest"), "binary")

Floors = dict[str, dict[str, Interval]]  # main task -> baseline -> its error


def measure_floors(question: Question, budget: Budget, overlap: float = 0.0) -> tuple[Floors, str]:
    """Main task -> baseline -> its error, the geometric mean over seeds; and a sentence on what is not there.

    Seeds and baselines are taken in turn until a tenth of the budget is spent on them.
    """
    if why := explain_unfit(question):
        return {}, why
    logs: dict[tuple[str, str], list[float]] = {}
    tasks = {task.name: task for task in question.suite.tasks}
    skipped = [name for name in question.mains if not _kind_of(tasks[name])]
    began, cut = budget.spent, False
    for seed in range(SEEDS):
        train, test = (question.suite.dataset(split, seed) for split in ("train", "test"))
        for baseline in BASELINES:  # the quick ones of all tasks before the slow ones of any
            for name in (name for name in question.mains if name not in skipped):
                cut = cut or budget.spent - began > SHARE * budget.seconds
                if not cut and (error := measure_floor(baseline, tasks[name], train, test)) is not None:
                    logs.setdefault((name, baseline), []).append(math.log(error))
    errors: Floors = {}
    for (name, baseline), values in logs.items():
        errors.setdefault(name, {})[baseline] = interval(np.array(values), overlap=overlap).exponential
    what = "ridge and logistic regression, boosting and a forest, none of them tuned but the strength of ridge"
    notes = [f"Baselines of scikit-learn ({what}), on the same rows of {SEEDS} seeds, for orientation."]
    notes += ["Fewer seeds where a tenth of the budget was spent."] if cut else []
    none = ", ".join(f"`{name}`" for name in skipped)
    notes += [f"None for {none}: no estimator here has that metric."] if skipped else []
    return errors, " ".join(notes)


def explain_unfit(question: Question) -> str:
    """Why a suite has no baselines here, in a sentence; empty where it has."""
    rows = question.suite.dataset("train", 0)
    if rows.transform is not None or any(rows.inputs[task].dim() != 2 for task in question.mains):
        return "No baselines of scikit-learn: inputs are no rows of numbers."
    if not any(_kind_of(task) for task in question.suite.tasks):
        return "No baselines of scikit-learn: no estimator here has the metrics of this suite."
    return ""


def measure_floor(baseline: str, task: Task, train: Dataset, test: Dataset) -> float | None:
    """The error of one baseline on one task: fitted on the rows with a label, scored as a model would be.

    None where the estimator does not take the rows, such as those of one class, or predicts what is not finite.
    """
    from bench.training.evaluate import collect_statistics

    kind = _kind_of(task)
    target = train.targets[task.name]
    there = find_labelled_rows(target)
    inputs, labels = train.inputs[task.name][there].double().numpy(), target[there].flatten().numpy()
    estimator = _make_estimator(baseline, classifies=kind != "number")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as a logistic regression that has not converged: a floor is no result
        try:
            estimator.fit(inputs, labels)
        except ValueError:
            return None

    def predict(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Predictions in the form of the task's head."""
        return {task.name: _predict(estimator, kind, task, batch[task.name])} if task.name in batch else {}

    try:
        statistics = collect_statistics(predict, [task], choose_columns(test, [task.name]))
    except Diverged:
        return None
    return primary_error(task.metric().kind, statistics[task.reported])


def _predict(estimator: Any, kind: str, task: Task, inputs: Tensor) -> Tensor:
    """Numbers (n, 1), the log odds of a class (n, 1), or logits (n, C)."""
    rows = inputs.double().numpy()
    if kind == "number":
        return torch.from_numpy(np.asarray(estimator.predict(rows), float)).float()[:, None]
    shares = np.log(np.clip(estimator.predict_proba(rows), LEAST, 1.0))
    known = estimator.classes_.astype(int)
    logits = np.full((len(rows), max(2, getattr(task.metric(), "classes", 2))), math.log(LEAST))
    logits[:, known] = shares
    logits = logits if kind == "class" else (logits[:, 1] - logits[:, 0])[:, None]
    return torch.from_numpy(logits).float()


def _kind_of(task: Task) -> str:
    """`number`, `class` or `binary`; empty for metrics that no estimator here has."""
    return PREDICTED.get(task.metric().kind, "")


def _make_estimator(baseline: str, classifies: bool) -> Any:
    """A fresh estimator; of a fixed seed, so that the same rows have the same number."""
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if baseline == "boosting":
        return (HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor)(random_state=0)
    if baseline == "forest":
        return (RandomForestClassifier if classifies else RandomForestRegressor)(random_state=0)
    linear = LogisticRegression(max_iter=1000) if classifies else RidgeCV(np.logspace(-3, 3, 13))
    return make_pipeline(StandardScaler(), linear)
