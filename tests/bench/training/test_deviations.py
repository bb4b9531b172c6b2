"""Copies as a mean and deviations from it: tied they are `hard` under any optimiser, free they are `single_task`."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.catalogue.registry import list_entries
from bench.training.model import MultiTaskModel
from tests.conftest import Trained, make_run, train_run

SHORT = {"epochs": "1", "steps_per_epoch": "20", "coordinates": "mean"}
OPTIMISERS: dict[str, dict[str, str]] = {
    # Under sgd the mean takes a tower's step by the mean gradient, which is what the rule `mean` gives a trunk.
    "sgd": {"trunk_lr_rule": "mean"},
    "momentum": {"trunk_lr_rule": "mean", "momentum": "0.9"},
    "adam": {"optimiser": "adam", "lr": "0.002"},
}
CLAIMS = [(name, options) for name, entry in list_entries("constraint").items() for options in entry.cls.ties]  # type: ignore[attr-defined]
ONE_PART = [name for name, entry in list_entries("constraint").items() if entry.cls.ties]  # type: ignore[attr-defined]


def gap(soft: MultiTaskModel, other: dict[str, Tensor]) -> float:
    """The largest difference of the copies of any parameter, (T, *shape), from those in `other`, by name."""
    return max(float((copies - other[name]).abs().max()) for name, copies in soft.copies().items())


def trunk(model: MultiTaskModel) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in model.sharing.trunk.named_parameters()}


def test_every_constraint_but_sums_and_the_one_that_pushes_apart_ties() -> None:
    assert sorted(set(list_entries("constraint")) - set(ONE_PART)) == ["dirty", "orthogonal", "rmtfl", "robust"]


@pytest.mark.parametrize(
    ("name", "options", "optimiser", "tasks"),
    [
        *((*claim, optimiser, 3) for claim in CLAIMS for optimiser in OPTIMISERS),
        *((name, "strength=inf", optimiser, T) for name in ONE_PART for optimiser in ("sgd", "adam") for T in (2, 5)),
    ],
)
def test_tied_copies_are_hard_under_any_optimiser(
    trained: Trained, name: str, options: str, optimiser: str, tasks: int
) -> None:
    suite, settings = f"synthetic:tasks={tasks}", SHORT | OPTIMISERS[optimiser]
    soft = train_run(make_run(f"soft+{name}:{options}", suite, **settings))
    # The step of the losses is that of a trunk at 1/T of its rate; that of the decay is a tower's.
    decay = {"trunk_weight_decay": "1" if optimiser == "adam" else f"{tasks}"}
    assert gap(soft, trunk(trained("hard", suite, **settings | decay))) <= 1e-9
    assert gap(soft, trunk(trained("hard", suite, **settings | decay | {"lr": "0.001"}))) > 1e-3


@pytest.mark.parametrize("constraint", ["l2", "trace_norm", "dirty"])
def test_a_mean_and_its_deviations_are_as_many_numbers_as_copies(constraint: str) -> None:
    """Of a constraint that holds copies as ever, as `dirty`, nothing changes."""
    counts = [make_run(f"soft+{constraint}", coordinates=each).model.count_parameters() for each in ("mean", "copies")]
    assert counts[0] == counts[1]
    alone = make_run("single_task").model.count_parameters()
    assert counts[1] == alone or constraint == "dirty"


@pytest.mark.parametrize("suite", ["synthetic:tasks=3", "multidigits"])
@pytest.mark.parametrize("name", [name for name, _ in dict(CLAIMS).items()])
def test_free_copies_are_single_task_under_sgd(trained: Trained, name: str, suite: str) -> None:
    settings = {"epochs": "1", "steps_per_epoch": "12", "momentum": "0.9", "weight_decay": "0.01"}
    free = train_run(make_run(f"soft+{name}:strength=0", suite, coordinates="mean", **settings))
    alone = trained("single_task", suite, **settings)
    assert gap(free, alone.copies()) <= 1e-12


def test_free_copies_under_adam_are_not_single_task() -> None:
    """Adam knows no sums: mean and deviations have moments of their own. The docstring of `coordinates` says so."""
    settings = {"epochs": "1", "steps_per_epoch": "50", "optimiser": "adam", "lr": "0.002"}
    free = train_run(make_run("soft+l2:halflife=inf", coordinates="mean", **settings))
    assert gap(free, train_run(make_run("single_task", **settings)).copies()) > 1e-3


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("name", ONE_PART)
def test_deviations_sum_to_zero_and_no_constraint_moves_the_mean(name: str, optimiser: str) -> None:
    dial = "hold=0.3" if "hold" in list_entries("constraint")[name].options else "halflife=5"
    dial = "hold=0.3,smooth=0.1" if name == "tgl" else dial  # its squares would hold all that adam moves
    model = train_run(make_run(f"soft+{name}:{dial}", optimiser=optimiser, **{**SHORT, "steps_per_epoch": "12"}))
    for held in model.held:
        assert held.mean is not None
        V, mean = torch.stack(tuple(held.copies)).detach(), held.mean.clone()
        assert float(V.abs().max()) > 0
        assert float(V.sum(dim=0).abs().max()) <= 1e-12 * float(V.abs().max())
        held.apply_prox(1.0)
        assert torch.equal(held.mean, mean)
        assert float(torch.stack(tuple(held.copies)).detach().sum(dim=0).abs().max()) <= 1e-12


@pytest.mark.parametrize("name", ["dirty", "robust", "rmtfl", "orthogonal"])
def test_the_others_hold_copies_in_any_coordinates(name: str) -> None:
    short = {"epochs": "1", "steps_per_epoch": "5"}
    mean, copies = (train_run(make_run(f"soft+{name}", coordinates=each, **short)) for each in ("mean", "copies"))
    assert gap(mean, copies.copies()) == 0.0
    assert all(held.mean is None for held in mean.held)


@pytest.mark.parametrize("name", ["ridge", "l2_pairwise", "graph", "mtrl", "aso:h=1"])
def test_squares_of_deviations_are_l2_of_the_same_half_life(name: str) -> None:
    """Before a first refresh, and for ever where there is none."""
    settings = {"epochs": "1", "steps_per_epoch": "9", "optimiser": "adam", "coordinates": "mean"}
    text = f"{name}{',' if ':' in name else ':'}halflife=7"
    same, other = (train_run(make_run(f"soft+l2:halflife={k}", **settings)) for k in (7, 9))
    model = train_run(make_run(f"soft+{text}", **settings))
    assert gap(model, same.copies()) <= 1e-8  # `mtrl` begins with I / T in float32
    assert gap(model, other.copies()) > 1e-6


def test_biases_are_held_too_where_deviations_are() -> None:
    """Or tied weights would leave copies of biases apart; copies of biases themselves are not shrunk to 0."""
    counts: dict[str, Any] = {
        each: {len(run.model.held), *(held.copies[0].dim() for held in run.model.held)}
        for each in ("mean", "copies")
        for run in [make_run("soft+l21", coordinates=each)]
    }
    assert counts == {"mean": {4, 2, 1}, "copies": {2}}
