"""The contract of a Suite: that stages and heads are trained and evaluated as every method does it.

Runs only where the data is there. Methods copy, cut and combine stages, so each rule looks at a plain
backbone with heads, and `trains` at real methods.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.catalogue.registry import list_entries
from bench.check.outcome import Broken, Skipped, attempt, expect
from bench.check.rows import FEW, SuiteCase
from bench.core.data import Batch, Order
from bench.core.fresh import prepare_module, prepare_stages
from bench.core.losses import compute_loss
from bench.core.self_fitting import SelfFitting
from bench.core.state import TrainState
from bench.core.task import refuse_broadcasting
from bench.errors import UsageError
from bench.planning.plan import validate_method
from bench.training.model import MultiTaskModel
from bench.training.step import training_step

TOLERANCE = 1e-9  # float64; sums in another order, but no other numbers


class Net(nn.Module):
    """One backbone and all heads, in float64: the plainest model of a suite, hard sharing of everything.

    stages, heads: modules in the order of the data and of the tasks.

    Raises UsageError where a stage or a head does not fit the shape before it.
    """

    def __init__(self, case: SuiteCase) -> None:
        super().__init__()
        suite = case.suite
        self.stages = prepare_stages(suite.backbone(), suite.input_shape)
        shape = self.stages[-1].output_shape
        heads = [prepare_module(task.head(shape), shape, f"The head of `{task.name}`") for task in suite.tasks]
        self.heads = nn.ModuleList(heads)
        self.tasks = list(suite.tasks)
        self.double()

    def list_parts(self) -> Iterator[tuple[str, nn.Module]]:
        """Every stage and head, in their order, each with its name for a sentence."""
        yield from ((f"Stage {number} of the backbone", stage) for number, stage in enumerate(self.stages))
        yield from ((f"The head of `{task.name}`", head) for task, head in zip(self.tasks, self.heads, strict=True))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """task -> predictions, (n, *shape that the head gives).

        inputs: task -> rows; every task is computed by itself, also where inputs are shared.
        """
        predictions = {}
        for task, head in zip(self.tasks, self.heads, strict=True):
            x = inputs[task.name]
            for stage in self.stages:
                x = stage(x)
            predictions[task.name] = head(x)
        return predictions


def take_few(case: SuiteCase, count: int = FEW) -> Batch:
    """The first rows of every input, in float64; targets that are classes stay whole numbers.

    count: rows of each input, or as many as there are.
    """
    train = case.splits["train"]
    inputs, targets = train.take([torch.arange(min(count, len(x))) for x, _ in train.groups])
    return (
        {task: x.double() for task, x in inputs.items()},
        {task: y.double() if y.is_floating_point() else y for task, y in targets.items()},
    )


def target_shapes(case: SuiteCase) -> None:
    """Targets have the shape of what the heads predict, where they are as many numbers.

    (n,) against (n, 1) would broadcast to (n, n) inside a loss, which trains without an error. Targets of
    another number of numbers, as classes beside logits, are left alone.
    """
    net, (inputs, targets) = Net(case), take_few(case)
    with attempt("Backbone and heads on the first rows"), torch.no_grad():
        predictions = net(inputs)
    try:
        for task, prediction in predictions.items():
            refuse_broadcasting(task, prediction, targets[task])
    except UsageError as error:
        raise Broken(str(error)) from None


def inputs_stay(case: SuiteCase) -> None:
    """Stages and heads leave what they are given as it is: other parts of a method read it too.

    Both the numbers and torch's version counter are looked at, so that writing the same numbers counts.
    `inplace=True` of torch's own layers is such a write.
    """
    net, (inputs, _) = Net(case), take_few(case)
    x = next(iter(inputs.values()))
    for what, part in net.list_parts():
        given = x.clone()
        with attempt(f"{what} on the features before it"), torch.no_grad():
            answer = part(given)
        expect(
            given._version == 0 and torch.equal(given.nan_to_num(), x.nan_to_num()),
            f"{what} should leave its input as it is, since other stages, heads and tasks read it too. Found it "
            "written to; compute a new tensor, with `x.relu()` for `x.relu_()` or `x = x + y` for `x += y`.",
        )
        x = answer if part in list(net.stages) else x  # heads all read the features of the last stage


def one_row(case: SuiteCase) -> None:
    """In evaluation mode a single row is predicted as beside others: the last piece of a split may be one row.

    A `squeeze()` without an axis drops the axis of rows there. Numbers are compared too, within `TOLERANCE`.
    """
    net, (inputs, _) = Net(case).eval(), take_few(case)
    alone, _ = take_few(case, 1)
    with attempt("Backbone and heads on a single row, in evaluation mode,"), torch.no_grad():
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
    """The losses reach every parameter of stages and heads that is not frozen.

    A parameter without a gradient would be counted in the size of the model and never move. A gradient
    of zeros is one: a ReLU may be off on the few rows of the check.
    """
    net, (inputs, targets) = Net(case), take_few(case)
    predictions = net(inputs)
    partly = case.splits["train"].partly_labelled
    losses = [
        compute_loss(task.loss, predictions[task.name], targets[task.name], task.name in partly) for task in net.tasks
    ]
    # One that is constant has no gradient; what it should have reached is missed below.
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
    """Where an input gives one row to a batch, stages and heads can be trained on it: no statistics of one number.

    Inputs get rows in proportion to their size, so a small task may get a single one. BatchNorm raises there.
    Skipped where a solver fits the models, which sees all rows at once.
    """
    protocol, train = case.suite.protocol, case.splits["train"]
    if protocol.fit == "solver":
        raise Skipped("a solver fits the models.")
    net, (inputs, _) = Net(case), take_few(case, 1)
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
    """Every sharing that takes the suite makes an update, and its weights can be kept and put back.

    Returns a note with the sharings that refuse the suite; fails where all of them do. Sharings that
    need a constraint are left out, and those that no update trains.
    """
    suite, protocol = case.suite, case.suite.protocol
    if protocol.fit == "solver":
        raise Skipped("a solver fits the models.")
    rows = case.splits["train"]
    indices = [index[:FEW] for index in Order(rows, protocol.batch_size, 0).batch(0)]
    refused, tried, reason = [], 0, ""
    for name, entry in list_entries("sharing").items():
        if entry.cls.needs_constraint or issubclass(entry.cls, SelfFitting):  # type: ignore[attr-defined]
            continue
        method, tried = Method.parse(name), tried + 1
        with attempt(f"An update of `{name}`"):
            try:
                validate_method(method, suite, protocol)
            except UsageError as error:
                refused.append(f"`{name}`")
                reason = str(error)
                continue
            model = MultiTaskModel(suite, method, protocol, seed=0)
            model.partly_labelled = rows.partly_labelled
            state = TrainState(0, 1, model.sharing.phases()[0].name, torch.Generator().manual_seed(0))
            # A rate of 0: the update has to work, not to move the weights.
            optimiser = torch.optim.SGD(model.group_parameters(protocol), lr=0.0)
            training_step(model, rows.take(indices, torch.Generator().manual_seed(0)), state).backward()
            optimiser.step()
            model.load_state_dict(copy.deepcopy(model.state_dict()))  # as the best epoch is kept and put back
    expect(
        len(refused) < tried,
        f"A sharing at least should take the suite. Found a refusal of each, as in `{reason}`; mend what it names.",
    )
    return f"Refused by {', '.join(refused)}." if refused else None
