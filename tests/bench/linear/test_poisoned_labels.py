"""No value under a mask changes anything: whole runs of every method of linear suites, bit for bit."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.core.suite import Suite, derive_suite
from bench.planning.plan import list_supported_methods, parse_suite, plan
from bench.training.full_batch.prepare import prepare_full_batch_run

OWN = "linear_synthetic:tasks=6,train=12,truth=low_rank"
SHARED = "linear_synthetic:inputs=shared,tasks=6,train=20,truth=low_rank"
SHORT = {"folds": "2", "strengths": "2", "steps_per_epoch": "60", "tolerance": "1e-3"}
JUNK = torch.tensor([math.nan, math.inf, -math.inf, 3e38, -3e38, 1e-40])
METHODS = list_supported_methods(OWN)


def mask(task: int, rows: int) -> Tensor:
    """Which rows have a label of a task: half of them or more, others for each task."""
    return (torch.arange(rows) * (task + 1)) % 7 < 4


class Masked(Suite):
    """The suite with masks on its training labels, and `junk` under them."""

    junk: Tensor

    def dataset(self, split: Any, seed: int) -> Dataset:
        data = super().dataset(split, seed)  # type: ignore[safe-super]
        if split != "train":
            return data
        masks = {name: mask(t, len(y)) for t, (name, y) in enumerate(data.targets.items())}
        targets = {
            name: torch.where(masks[name][:, None], y, self.junk.repeat(len(y))[: len(y), None])
            for name, y in data.targets.items()
        }
        return Dataset(data.inputs, targets, masks=masks)


def run(name: str, method: str, junk: Tensor) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state and predictions of the model, and the fields of the record, of a run with `junk` under the masks."""
    [spec] = plan(name, [method], [0], SHORT if not method.startswith("gp_") else {"steps_per_epoch": "5"})
    suite = derive_suite(parse_suite(spec.suite)[1], Masked, junk=junk)
    made = prepare_full_batch_run(spec, suite, Method.parse(spec.method))
    trained = made.train()
    state = {key: value for key, value in made.model.state_dict().items() if isinstance(value, Tensor)}
    inputs = {task.name: torch.eye(30, dtype=torch.float64) for task in suite.tasks}
    predictions = made.model.sharing(inputs, TrainState())
    return state | {f"prediction {task}": value.detach() for task, value in predictions.items()}, trained.fields


@pytest.mark.parametrize(
    ("name", "method"),
    [*((SHARED, method) for method in METHODS), *((OWN, method) for method in ("hard", "soft+l2", "gp_icm"))],
)
def test_values_under_a_mask_change_nothing(name: str, method: str) -> None:
    one, solution = run(name, method, torch.zeros(1))
    other, poisoned = run(name, method, JUNK)
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert not bool(value.isnan().any()), key
        assert torch.equal(value, other[key]), key
    assert solution["solution"] == poisoned["solution"]
    assert solution["matrices"] == poisoned["matrices"]
