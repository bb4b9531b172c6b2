"""Two settings that controls use: several models averaged, and one task in the place of every other."""

from itertools import islice

import pytest
import torch
from torch import nn

from bench.core.replicas import Replicas
from bench.core.state import TrainState
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.training.batches import Batches
from bench.training.evaluate import evaluate, predict
from bench.training.fit import Run
from tests.conftest import EXACT, make_run, train_run

SUITE = "synthetic:tasks=3"


def result(method: str = "hard", **settings: str) -> dict:
    """What a run reports."""
    return make_run(method, SUITE, **settings).result()


# --- members: models trained apart, outputs averaged -------------------------------------------


def test_the_first_member_is_the_plain_run() -> None:
    plain, two = result(), result(members="2")
    assert two["curves"] == plain["curves"]
    assert two["selection"] == plain["selection"]
    assert two["scores"] != plain["scores"]


def test_two_members_cost_what_two_runs_cost() -> None:
    plain, two = result()["cost"], result(members="2")["cost"]
    assert (two.parameters, two.forward_flops) == (2 * plain.parameters, 2 * plain.forward_flops)


def test_the_score_is_that_of_the_mean_of_models_trained_apart() -> None:
    """The members trained by hand, their outputs averaged by hand, the squared error summed by hand."""
    found = result(members="3")["statistics"]["last"]
    run = make_run("hard", SUITE, members="3")
    models = [train_run(Run(run.spec, run.suite, run.method, member)).eval() for member in range(3)]
    test = run.data("test")
    with torch.no_grad():
        for task in found:
            outputs = torch.stack([model(test.inputs, TrainState())[task] for model in models])
            error = (outputs.mean(0) - test.targets[task]).square().sum()
            assert found[task]["squared_error"] == pytest.approx(error.item(), rel=1e-9)


def test_members_differ_in_weights_and_batches() -> None:
    run = make_run("hard", SUITE, members="2")
    first, second = run, Run(run.spec, run.suite, run.method, 1)
    assert not torch.equal(*(next(each.model.parameters()) for each in (first, second)))
    assert first.seed != second.seed
    assert torch.equal(first.data("train").inputs["task01"], second.data("train").inputs["task01"])


def test_equal_models_averaged_are_one_model() -> None:
    run = make_run("hard", SUITE)
    one = (run.model, run.module.state)
    assert predict([one, one], run.data("test").inputs).keys() == set(run.protocol.metrics)
    single, double = evaluate([one], run.data("test")), evaluate([one, one], run.data("test"))
    for task, statistics in single.items():
        assert double[task] == pytest.approx(statistics, rel=1e-12)


# --- replicas: T copies of one task ------------------------------------------------------------


def with_equal_heads(run: Run) -> Run:
    """Every head from the weights of the first."""
    first, *others = run.model.heads.values()
    for head in others:
        head.load_state_dict(first.state_dict())
    return run


def alone_by_hand(run: Run, rate: float) -> tuple[nn.Module, nn.Module]:
    """The trunk and the first head after plain descent on the first task, the trunk at `rate` times the head's rate."""
    task, model, lr = run.model.tasks[0], run.model, run.protocol.lr
    head = model.heads[task.name]
    for inputs, targets in islice(Batches(run.data("train"), run.protocol, run.seed), run.protocol.updates):
        loss = task.loss(head(model.sharing(inputs, TrainState())[task.name]), targets[task.name])
        for module, step in ((model.sharing, lr * rate), (head, lr)):
            weights = list(module.parameters())
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights, retain_graph=True), strict=True):
                weight.data -= step * gradient
    return model.sharing, head


def test_replicas_with_equal_heads_are_the_task_alone_at_t_times_the_trunk_rate() -> None:
    """Under SGD the trunk's gradient is the sum of T equal ones, and each head's is its own."""
    settings = {"replica": "task02", "epochs": "1", "steps_per_epoch": "8"}
    many = train_run(with_equal_heads(make_run("hard", SUITE, **settings)))
    trunk, head = alone_by_hand(with_equal_heads(make_run("hard", SUITE, **settings)), rate=3.0)
    for found, expected in [(many.sharing, trunk), *((each, head) for each in many.heads.values())]:
        for ours, by_hand in zip(found.parameters(), expected.parameters(), strict=True):
            assert torch.allclose(ours, by_hand, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(
        head.weight, with_equal_heads(make_run("hard", SUITE, **settings)).model.heads["task02"].weight
    )


@pytest.mark.parametrize("suite", [SUITE, "multidigits"])
def test_every_replica_has_the_rows_and_targets_of_the_task(suite: str) -> None:
    _, built = parse_suite(suite)
    main = built.tasks[1].name
    replicas = Replicas(built, main)
    names = [task.name for task in replicas.tasks]
    assert names == [main, *(f"{main}_{number}" for number in range(2, len(built.tasks) + 1))]
    assert replicas.protocol.metrics == dict.fromkeys(names, built.protocol.metrics[main])
    (inputs, targets), (_, known) = (each.dataset("train", 0).take([torch.arange(7)]) for each in (replicas, built))
    assert all(torch.equal(targets[name], known[main]) for name in names)
    assert all(inputs[name] is inputs[main] for name in names)


def test_tasks_with_inputs_of_their_own_have_no_replicas() -> None:
    with pytest.raises(UsageError, match="share their inputs"):
        plan("synthetic:tasks=3,inputs=own", ["hard"], [0], EXACT | {"replica": "task02"}, device="cpu")


def test_a_replica_that_is_no_task_is_refused() -> None:
    with pytest.raises(UsageError, match="`replica` should name a task"):
        plan(SUITE, ["hard"], [0], EXACT | {"replica": "nope"}, device="cpu")
