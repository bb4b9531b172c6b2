"""Runs of moments whose models are kept, for the tests of models and predictions."""

from pathlib import Path

import torch

from bench.core.data import Dataset
from bench.core.new_rows import NewRows
from bench.planning.plan import plan
from bench.records import ResultRecord, RunSpec
from bench.scores import score_tasks
from bench.training.evaluate import TaskMetric, choose_rows
from bench.training.fit import fit
from bench.training.kept_model import KeptModel, ModelKeeper, read_card, read_weights
from bench.training.load import load_run
from bench.training.rebuild import RebuiltModel, rebuild_model
from bench.training.rows import read_split

QUICK = {"epochs": "4", "steps_per_epoch": "6"}


def plan_quick(suite: str, method: str, data_dir: Path | None = None, **settings: str) -> RunSpec:
    """One short run on the CPU; a solver's has no epochs to cut."""
    [spec] = plan(suite, [method], [0], settings, "cpu", data_dir)
    return spec


def fit_and_keep(spec: RunSpec, data_dir: Path | None = None) -> tuple[ResultRecord, KeptModel]:
    """The record of a run, and what it keeps."""
    keeper = ModelKeeper()
    record = fit(spec, data_dir, keeper=keeper)
    assert record.status == "done", record.error
    assert keeper.model is not None
    return record, keeper.model


def read_again(model: KeptModel, data_dir: Path | None = None) -> RebuiltModel:
    """The model as it comes back from its bytes."""
    card = read_card(model.card.as_text().encode(), "card")
    return rebuild_model(card, read_weights(card, model.weights, "weights"), data_dir)


def score_test_split(spec: RunSpec, rebuilt: RebuiltModel, data_dir: Path | None = None) -> dict[str, object]:
    """task -> statistics of predictions for the rows of the test split, gathered by the metrics of the suite."""
    suite, _, _ = load_run(spec, data_dir)
    test = suite.dataset("test", spec.seed)
    outputs = rebuilt.predict(NewRows([], test.inputs))
    placed: Dataset = read_split(suite, spec, "test")
    metrics: dict[str, TaskMetric] = {}
    # In pieces of a forward pass, as scoring adds them: sums of floats depend on their order.
    size, done = choose_rows(placed), dict.fromkeys(outputs, 0)
    for inputs, targets in placed.slices(size):
        for task in suite.tasks:
            if task.name in inputs:
                start, count = done[task.name], len(inputs[task.name])
                metric = metrics.setdefault(task.reported, task.metric())
                metric.update(outputs[task.name][start : start + count], targets[task.name])
                done[task.name] += count
    return {name: metric.state() for name, metric in metrics.items()}


def main_rule(record: ResultRecord) -> str:
    return "val" if "val" in record.statistics else "last"


def scores_of(record: ResultRecord, statistics: dict[str, object]) -> dict[str, dict[str, float]]:
    return score_tasks(record.spec.protocol.metrics, statistics, "test")  # type: ignore[arg-type]


def forget_seeds() -> None:
    """What another process would have drawn before it rebuilds a model."""
    torch.manual_seed(12345)
    torch.rand(7)
