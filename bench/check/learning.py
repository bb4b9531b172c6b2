"""The contract of a Suite: that stages and heads are trained and evaluated as every method does it."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.catalogue.registry import entries
from bench.check.outcome import Broken, Skipped, expect, trying
from bench.check.rows import FEW, SuiteCase
from bench.core.data import Batch, Order
from bench.core.fresh import prepare_module, prepare_stages
from bench.core.state import TrainState
from bench.core.task import refuse_broadcasting
from bench.errors import UsageError
from bench.planning.plan import validate_method
from bench.training.model import MultiTaskModel
from bench.training.module import training_step

TOLERANCE = 1e-9  # float64; sums in another order, but no other numbers


class Net(nn.Module):
    """One backbone and all heads, in float64."""

    def __init__(self, case: SuiteCase) -> None:
        super().__init__()
        suite = case.suite
        self.stages = prepare_stages(suite.backbone(), suite.input_shape)
        shape = self.stages[-1].output_shape
        heads = [prepare_module(task.head(shape), shape, f"The head of `{task.name}`") for task in suite.tasks]  # type: ignore[arg-type]
        self.heads = nn.ModuleList(heads)
        self.tasks = list(suite.tasks)
        self.double()

    def named(self) -> Iterator[tuple[str, nn.Module]]:
        """Every stage and head, in words."""
        yield from ((f"Stage {number} of the backbone", stage) for number, stage in enumerate(self.stages))
        yield from ((f"The head of `{task.name}`", head) for task, head in zip(self.tasks, self.heads, strict=True))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """task -> predictions."""
        predictions = {}
        for task, head in zip(self.tasks, self.heads, strict=True):
            x = inputs[task.name]
            for stage in self.stages:
                x = stage(x)
            predictions[task.name] = head(x)
        return predictions


def few(case: SuiteCase, count: int = FEW) -> Batch:
    """The first rows of every input, in float64."""
    train = case.splits["train"]
    inputs, targets = train.take([torch.arange(min(count, len(x))) for x, _ in train.groups])
    return (
        {task: x.double() for task, x in inputs.items()},
        {task: y.double() if y.is_floating_point() else y for task, y in targets.items()},
    )


def target_shapes(case: SuiteCase) -> None:
    """Targets have the shape of what the heads predict, where they are as many numbers."""
    net, (inputs, targets) = Net(case), few(case)
    with trying("Backbone and heads on the first rows"), torch.no_grad():
        predictions = net(inputs)
    try:
        for task, prediction in predictions.items():
            refuse_broadcasting(task, prediction, targets[task])
    except UsageError as error:
        raise Broken(str(error)) from None


def inputs_stay(case: SuiteCase) -> None:
    """Stages and heads leave what they are given as it is: other parts of a method read it too."""
    net, (inputs, _) = Net(case), few(case)
    x = next(iter(inputs.values()))
    for what, part in net.named():
        given = x.clone()
        with trying(f"{what} on the features before it"), torch.no_grad():
            answer = part(given)
        expect(
            given._version == 0 and torch.equal(given.nan_to_num(), x.nan_to_num()),
            f"{what} should leave its input as it is, since other stages, heads and tasks read it too. Found it "
            "written to; compute a new tensor, with `x.relu()` for `x.relu_()` or `x = x + y` for `x += y`.",
        )
        x = answer if part in list(net.stages) else x


def one_row(case: SuiteCase) -> None:
    """In evaluation mode a single row is predicted as beside others: the last piece of a split may be one row."""
    net, (inputs, _) = Net(case).eval(), few(case)
    alone, _ = few(case, 1)
    with trying("Backbone and heads on a single row, in evaluation mode,"), torch.no_grad():
        whole, single = net(inputs), net(alone)
    for task, prediction in single.items():
        wanted = whole[task][:1]
        expect(
            prediction.shape == wanted.shape and bool(torch.allclose(prediction, wanted, rtol=0, atol=TOLERANCE)),
            f"The predictions of `{task}` for one row should be what they are beside other rows, of shape "
            f"{tuple(wanted.shape)}. Found them of shape {tuple(prediction.shape)}, or other numbers; use no "
            "`squeeze()` without an axis, and nothing of the other rows.",
        )


def all_parameters_learn(case: SuiteCase) -> None:
    """The losses reach every parameter of stages and heads that is not frozen."""
    net, (inputs, targets) = Net(case), few(case)
    predictions = net(inputs)
    losses = [task.loss(predictions[task.name], targets[task.name]) for task in net.tasks]
    torch.autograd.backward([loss for loss in losses if loss.requires_grad])
    named = dict(net.named_parameters())
    expect(
        any(p.requires_grad for p in named.values()),
        "Backbone or heads should have parameters that learn. Found all of them frozen.",
    )
    missed = [name for name, p in named.items() if p.requires_grad and p.grad is None]
    expect(
        not missed,
        f"The losses should reach every parameter of stages and heads. Found no gradient for {missed[:5]}; use them in "
        "`forward`, freeze them with `requires_grad_(False)`, or remove them.",
    )


def rows_of_a_batch(case: SuiteCase) -> None:
    """Where an input gives one row to a batch, stages and heads can be trained on it: no statistics of one number."""
    protocol, train = case.suite.protocol, case.splits["train"]
    if protocol.fit == "solver":
        raise Skipped("a solver fits the models.")
    net, (inputs, _) = Net(case), few(case, 1)
    for share, (x, tasks) in zip(Order(train, protocol.batch_size, 0).shares, train.groups, strict=True):
        try:
            if share == 1:
                net(inputs)
        except ValueError as error:
            raise Broken(
                f"Every input should give two rows or more to a batch, or be trained on single ones. Found one of "
                f"`{tasks[0]}`, which has {len(x)} of {train.rows} rows, in batches of {protocol.batch_size} "
                f"({str(error).rstrip('.')}); make `batch_size` larger, or use norms of each row, as GroupNorm is."
            ) from error


def trains(case: SuiteCase) -> str | None:
    """Every sharing that takes the suite makes an update, and its weights can be kept and put back."""
    suite, protocol = case.suite, case.suite.protocol
    if protocol.fit == "solver":
        raise Skipped("a solver fits the models.")
    rows = case.splits["train"]
    indices = [index[:FEW] for index in Order(rows, protocol.batch_size, 0).batch(0)]
    refused, tried, reason = [], 0, ""
    for name, entry in entries("sharing").items():
        if entry.cls.needs_constraint:  # type: ignore[attr-defined]
            continue
        method, tried = Method.parse(name), tried + 1
        with trying(f"An update of `{name}`"):
            try:
                validate_method(method, suite, protocol)
            except UsageError as error:
                refused.append(f"`{name}`")
                reason = str(error)
                continue
            model = MultiTaskModel(suite, method, protocol, seed=0)
            state = TrainState(0, 1, model.sharing.phases()[0].name, torch.Generator().manual_seed(0))
            optimiser = torch.optim.SGD(model.parameter_groups(protocol), lr=0.0)
            training_step(model, rows.take(indices, torch.Generator().manual_seed(0)), state).backward()
            optimiser.step()
            model.load_state_dict(copy.deepcopy(model.state_dict()))
    expect(
        len(refused) < tried,
        f"A sharing at least should take the suite. Found a refusal of each, as in `{reason}`; mend what it names.",
    )
    return f"Refused by {', '.join(refused)}." if refused else None
