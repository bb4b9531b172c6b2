"""Fine-tuning: who learns when, what stays, and that a frozen network leaves a linear model."""

import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor

from bench.core.state import TrainState
from bench.errors import UsageError
from bench.planning.plan import plan
from bench.training.fit import Run, fit
from bench.training.load import load_run
from bench.training.module import MultiTaskModule

SMALL = {"epochs": "4", "steps_per_epoch": "5"}


def train_run(method: str, **settings: str) -> Run:
    """A run of `transfer` that has been trained."""
    [spec] = plan("transfer:source=100", [method], [0], SMALL | settings)
    suite, parsed, _ = load_run(spec, None)
    run = Run(spec, suite, parsed)
    run.train()
    return run


def read_tower(run: Run, t: int) -> list[Tensor]:
    return [p.detach().clone() for p in run.model.sharing.towers[t].parameters()]  # type: ignore[union-attr, index]


def test_until_the_copies_only_the_source_moves_the_trunk() -> None:
    """The source's tower is the one that it would have by itself for as many updates: no label of the target tells."""
    towers = []
    for target in ("50", "80"):  # other rows of the target, those of the source as they are
        [spec] = plan(f"transfer:source=100,target={target}", ["fine_tuning"], [0], SMALL | {"batch_size": "200"})
        suite, method, _ = load_run(spec, None)
        run = Run(spec, suite, method)
        batches, optimiser = iter(run.batches(run.data("train"))), run.module.configure_optimizers()
        for _ in range(5):
            loss = run.module.training_step(next(batches), 0)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        towers.append(read_tower(run, 0))
        untouched = read_tower(run, 1)
        assert all(torch.equal(a, b) for a, b in zip(untouched, read_tower(Run(spec, suite, method), 1), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(*towers, strict=True))


@pytest.mark.parametrize(("frozen", "stays"), [("0.0", [False, False]), ("0.5", [True, False]), ("1.0", [True, True])])
def test_frozen_stages_are_the_source_s_at_the_copies(frozen: str, stays: list[bool]) -> None:
    run = train_run(f"fine_tuning:frozen={frozen}")
    [spec] = plan("transfer:source=100", [f"fine_tuning:frozen={frozen}"], [0], SMALL)
    suite, method, _ = load_run(spec, None)
    before = Run(spec, suite, method)
    copied: dict[str, Tensor] = {}

    class Watched(MultiTaskModule):
        """Notes the source's tower when the copies are made."""

        def _enter(self, phase: str) -> None:
            copied.update(copy.deepcopy(self.model.sharing.towers[0].state_dict()))  # type: ignore[union-attr, index]
            super()._enter(phase)

    before.module = Watched(before.model, before.protocol, before.seed)
    before.train()
    tower = run.model.sharing.towers[1].state_dict()  # type: ignore[union-attr, index]
    for stage, stay in enumerate(stays):
        same = [torch.equal(tower[key], value) for key, value in copied.items() if key.startswith(f"{stage}.")]
        assert same
        assert all(same) is stay


@pytest.mark.parametrize("coordinates", ["mean", "copies"])
@pytest.mark.parametrize("halflife", ["0.0", "50.0", "inf"])
def test_no_constraint_holds_what_stays(coordinates: str, halflife: str) -> None:
    """Stages that stay are the source's at the copies, and the source's own go on."""
    run = train_run(f"fine_tuning:frozen=0.5+l2:halflife={halflife}", coordinates=coordinates)
    source, target = (run.model.sharing.towers[t][0][0].weight for t in (0, 1))  # type: ignore[union-attr, index]
    plain = train_run("fine_tuning:frozen=0.5", coordinates=coordinates)
    before = plain.model.sharing.towers[1][0][0].weight  # type: ignore[union-attr, index]
    assert not torch.equal(source, target)
    assert not target.requires_grad
    if halflife == "inf" and coordinates == "copies":
        assert torch.equal(target, before)
    with pytest.raises(UsageError, match="no copies"):
        plan("transfer", ["fine_tuning:frozen=1.0+l2"], [0])


def test_a_budget_that_ends_before_the_copies_has_scores() -> None:
    [spec] = plan("transfer:source=100", ["fine_tuning:pretraining=0.999"], [0], SMALL)
    assert fit(spec).status == "done"


def test_the_source_may_be_any_task() -> None:
    first, second = (train_run(f"fine_tuning:source={name},frozen=1.0") for name in ("source", "target"))
    assert not any(p.requires_grad for p in first.model.sharing.towers[1].parameters())  # type: ignore[union-attr, index]
    assert not any(p.requires_grad for p in second.model.sharing.towers[0].parameters())  # type: ignore[union-attr, index]
    assert all(p.requires_grad for p in second.model.sharing.towers[1].parameters())  # type: ignore[union-attr, index]


def test_nothing_pre_trained_is_single_task() -> None:
    [alone], [tuned] = (
        plan("transfer:source=100", [method], [0], SMALL) for method in ("single_task", "fine_tuning:pretraining=0.0")
    )
    assert fit(alone).statistics["last"] == fit(tuned).statistics["last"]


def test_frozen_layers_leave_the_linear_model_of_scikit_learn() -> None:
    settings = {"precision": "float64", "weight_decay": "0.0", "lr": "0.05", "batch_size": "400", "schedule": "cosine"}
    settings |= {"epochs": "60", "steps_per_epoch": "100"}
    [spec] = plan("transfer:source=200,target=200", ["fine_tuning:frozen=1.0,pretraining=0.05"], [0], settings)
    suite, method, _ = load_run(spec, None)
    run = Run(spec, suite, method)
    run.train()
    rows, test = run.data("train"), run.data("test")
    run.model.eval()
    with torch.no_grad():
        state = TrainState(phase="target")
        features = [run.model.sharing({"target": each.inputs["target"]}, state)["target"] for each in (rows, test)]
        found = run.model({"target": test.inputs["target"]}, state)["target"]
    linear = LinearRegression().fit(features[0].numpy(), rows.targets["target"].numpy())
    np.testing.assert_allclose(found.numpy(), linear.predict(features[1].numpy()), atol=1e-6)


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("fine_tuning:source=targt", "`source` should be a task: `source`, `target`. Found `targt`."),
        (
            "fine_tuning:frozen=0.2",
            "`frozen` should be 0, or 0.25 or more: half a stage. Found `frozen = 0.2`.",
        ),
        ("fine_tuning:pretraining=0.0,frozen=1.0", "`frozen` should be 0 where nothing is pre-trained."),
    ],
)
def test_what_cannot_be_tuned_is_one_sentence(method: str, sentence: str) -> None:
    with pytest.raises(UsageError, match="(?s)" + sentence[:30].replace("`", ".")) as caught:
        plan("transfer", [method], [0])
    assert sentence in str(caught.value)
