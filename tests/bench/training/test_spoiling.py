"""What a method or a suite could spoil without a word: the rows of later runs, sums over rows, weights left alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.api import Blueprint, Found, ParameterGroup, Sharing, TrainState, register
from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.resident import ResidentRows
from bench.core.sharing import collect_groups
from bench.core.task import Explained, Ranking, Regression, refuse_broadcasting
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan, validate_method
from bench.sharing.hard import Hard
from bench.training.evaluate import evaluate
from bench.training.fit import Run, fit
from tests.bench.check.broken.sharing import Means
from tests.bench.test_fingerprints import Tiny
from tests.conftest import EXACT, make_run

SUITE = "multidigits"
FEW = EXACT | {"precision": "float32", "epochs": "2", "steps_per_epoch": "2"}
WAYS: dict[str, Callable[[Tensor], object]] = {
    "in place": lambda x: x.clamp_(max=0.1),
    "through data": lambda x: x.data.mul_(0.5),
    "through numpy": lambda x: x.numpy().fill(0.5),
}


def writing(way: Callable[[Tensor], object]) -> type[Hard]:
    """`hard` that writes into what it is given."""

    class Writing(Hard):
        """One trunk."""

        def __init__(self, blueprint: Blueprint) -> None:
            super().__init__(blueprint)

        def forward(self, inputs: Any, state: TrainState) -> dict[str, Tensor]:
            for x in inputs.values():
                way(x)
            return super().forward(inputs, state)

    return Writing


@pytest.mark.parametrize("way", WAYS)
def test_a_method_that_writes_into_its_inputs_does_not_reach_the_rows_of_others(way: str) -> None:
    register("writing")(writing(WAYS[way]))
    _, suite = parse_suite(SUITE)
    rows = ResidentRows.read(suite)
    assert rows is not None
    before = {name: {t: x.clone() for t, x in split.inputs.items()} for name, split in rows.splits.items()}
    first, second = plan(SUITE, ["writing", "hard"], [0], FEW, device="cpu")
    assert fit(first, rows=rows).status == "done"
    after, alone = fit(second, rows=rows), fit(second)
    assert (after.statistics, after.curves) == (alone.statistics, alone.curves)
    assert all(torch.equal(x, before[name][t]) for name, split in rows.splits.items() for t, x in split.inputs.items())


def test_a_sharing_that_is_fitted_by_itself_gets_copies() -> None:
    class Greedy(Means):
        """The mean of the targets, which it then spoils."""

        def fit(self, inputs: Any, targets: Any, *rest: Any) -> Found:
            found: Found = super().fit(inputs, targets, *rest)
            for tensor in (*inputs.values(), *targets.values()):
                tensor.fill_(0.0)
            return found

    register("greedy")(Greedy)
    register("means")(Means)
    greedy, means = plan("linear_synthetic:tasks=6,train=8", ["greedy", "means"], [0], device="cpu")
    _, suite = parse_suite(greedy.suite)
    data = {
        split: suite.dataset(split, 0).to(torch.device("cpu"), torch.float64, torch.contiguous_format)
        for split in ("train", "test")
    }
    rows = ResidentRows(data, suite.checksums())
    assert fit(greedy, rows=rows).status == "done"
    assert fit(means, rows=rows).statistics == fit(means).statistics


def flat(dataset: Dataset) -> Dataset:
    """Targets (n,) in place of (n, 1)."""
    return Dataset(dataset.inputs, {task: y.flatten() for task, y in dataset.targets.items()})


class Flat(Tiny):
    """`Tiny` with targets (n,)."""

    def dataset(self, split: Any, seed: int) -> Dataset:
        return flat(super().dataset(split, seed))


WANTED = r"The targets of `a` should have the shape of its predictions, \(4, 1\)\. Found \(4,\), which torch would"


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, y: (p - y).square().mean(),
        nn.functional.l1_loss,
        nn.functional.smooth_l1_loss,
        lambda p, y: nn.functional.softplus(p).mean() - (p * y).mean(),
    ],
)
def test_targets_that_would_be_broadcast_are_refused_in_training_whatever_the_loss(loss: Any) -> None:
    suite = Flat()
    suite.tasks = [type(task)(task.name, task.head, loss, task.metric) for task in suite.tasks]
    run = make_run("hard")
    run = Run(run.spec.model_copy(update={"protocol": suite.protocol}), suite, Method.parse("hard"))
    with pytest.raises(UsageError, match=WANTED):
        run.result()


@pytest.mark.parametrize("metric", [Regression, Explained, Ranking])
def test_targets_that_would_be_broadcast_are_refused_in_evaluation_whatever_the_metric(metric: Any) -> None:
    suite = Tiny()
    suite.tasks = [type(task)(task.name, task.head, task.loss, metric) for task in suite.tasks]
    run = make_run("hard")
    run = Run(run.spec.model_copy(update={"protocol": suite.protocol}), suite, Method.parse("hard"))
    with pytest.raises(UsageError, match=WANTED):
        evaluate([(run.model, run.module.state)], flat(run.data("test")), rows=4)


@pytest.mark.parametrize("shapes", [((5, 1), (5,)), ((5,), (5, 1)), ((5, 1, 2, 3), (5, 2, 3)), ((1, 1), (1,))])
def test_numbers_in_another_shape_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    prediction, target = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(UsageError, match="`it`"):
        refuse_broadcasting("it", prediction, target)


@pytest.mark.parametrize(
    "shapes", [((5, 1), (5, 1)), ((5, 3), (5,)), ((3, 3), (3,)), ((5, 4, 2, 3), (5, 2, 3)), ((6, 6), (6, 2, 3))]
)
def test_classes_and_other_sizes_are_the_losses_own_affair(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    prediction, target = (torch.zeros(shape) for shape in shapes)
    refuse_broadcasting("it", prediction, target)
    assert (prediction.shape, target.shape) == shapes


def test_squares_are_summed_over_pairs_of_one_shape_alone() -> None:
    with pytest.raises(UsageError, match=r"the shape of their targets, \(5, 3\)\. Found \(5, 1\)"):
        Regression().update(torch.zeros(5, 1), torch.zeros(5, 3))


class Spare(Hard):
    """`hard` with two weights that it may forget."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.gain, self.bias = Parameter(torch.ones(1)), Parameter(torch.zeros(1))

    def forward(self, inputs: Any, state: TrainState) -> dict[str, Tensor]:
        return {task: self.gain * x + self.bias for task, x in super().forward(inputs, state).items()}


def grouped(*names: str, frozen: tuple[str, ...] = ()) -> Sharing:
    """`Spare` whose last group holds the weights of these names."""
    sharing = Spare(Blueprint(Tiny(), 0))
    for name in frozen:
        getattr(sharing, name).requires_grad_(False)
    first = Hard.parameter_groups(sharing, "sgd")
    sharing.parameter_groups = lambda _: [*first, ParameterGroup([getattr(sharing, n) for n in names])]  # type: ignore[method-assign]
    return sharing


def test_a_parameter_that_nothing_would_train_is_named() -> None:
    with pytest.raises(UsageError, match=r"Found `gain`, `bias` in none, which nothing would train"):
        collect_groups(grouped(), "sgd")
    with pytest.raises(UsageError, match="Found `bias` in none"):
        collect_groups(grouped("gain"), "sgd")
    with pytest.raises(UsageError, match="Found `bias` more than once"):
        collect_groups(grouped("gain", "bias", "bias"), "sgd")
    for sharing, left_out in ((grouped("gain", "bias"), 0), (grouped("gain", frozen=("bias",)), 1)):
        held = [parameter for group in collect_groups(sharing, "sgd") for parameter in group.parameters]
        assert len(held) == len(list(sharing.parameters())) - left_out


def test_it_is_said_before_anything_is_trained() -> None:
    register("spare")(Spare)
    suite = Tiny()
    with pytest.raises(UsageError, match="`gain`, `bias` in none"):
        validate_method(Method.parse("spare"), suite, suite.protocol)
    with pytest.raises(UsageError, match="`gain`, `bias` in none"):
        make_run("spare")
