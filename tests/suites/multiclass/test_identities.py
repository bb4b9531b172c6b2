"""What holds exactly between one problem of classes and its binary tasks, to 1e-10."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus

from bench.catalogue.method import Method
from bench.core.state import TrainState
from bench.planning.plan import parse_suite, plan
from bench.training.fit import Run
from tests.conftest import train_run

PLAIN = {
    "epochs": "2",
    "steps_per_epoch": "5",
    "optimiser": "sgd",
    "lr": "0.5",
    "weight_decay": "0",
    "schedule": "constant",
    "precision": "float64",
}
GENERATOR = torch.Generator().manual_seed(2)
X = torch.randn(30, 6, dtype=torch.float64, generator=GENERATOR)
Y = torch.randint(2, (30,), generator=GENERATOR)


def begin(method: str, suite: str = "multiclass:train=60", **settings: str) -> Run:
    """A run in float64, by plain gradient descent at one rate, before its first update."""
    [spec] = plan(suite, [method], [0], PLAIN | settings)
    return Run(spec, parse_suite(suite)[1], Method.parse(method))


@torch.no_grad()
def predict(run: Run) -> dict[str, Tensor]:
    """What the network of a run says of the validation rows after its last update."""
    found: dict[str, Tensor] = train_run(run)(run.data("val").inputs, TrainState(step=1, phase="train"))
    return found


def assert_equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    for task in a:
        torch.testing.assert_close(a[task], b[task], rtol=0, atol=1e-10)


def test_hard_sharing_is_one_network_with_an_output_for_each_class() -> None:
    """The sum of ten log losses, on one layer of ten outputs, written without any task."""
    run = begin("hard")
    stages = copy.deepcopy(nn.Sequential(*run.model.sharing.trunk))
    heads, last = [run.model.heads[name] for name in run.model.sharing.tasks], nn.Linear(64, 10).double()
    last.load_state_dict({key: torch.cat([head.state_dict()[key] for head in heads]) for key in ("weight", "bias")})
    network = nn.Sequential(stages, last)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.5)
    batches = run.batches(run.data("train"))
    for _ in range(2):
        for inputs, targets in batches:
            y = torch.cat([targets[f"digit{k}"] for k in range(10)], dim=1)
            loss = binary_cross_entropy_with_logits(network(inputs["digit0"]), y, reduction="none").mean(0).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    outputs = network(run.data("val").inputs["digit0"]).detach()
    assert_equal(predict(begin("hard")), {f"digit{k}": outputs[:, [k]] for k in range(10)})


def test_ten_networks_are_each_what_it_is_alone() -> None:
    together, alone = predict(begin("single_task")), predict(begin("single_task", tasks="digit3"))
    assert_equal(alone, together)


def test_of_one_task_hard_sharing_is_single_task() -> None:
    one = "multiclass:form=one,train=60"
    assert_equal(predict(begin("hard", one)), predict(begin("single_task", one)))


def test_a_mean_over_tasks_at_ten_times_the_rate_is_their_sum() -> None:
    mean = begin("hard@uniform:reduction=mean", lr="5.0")
    assert_equal(predict(mean), predict(begin("hard")))


def test_a_softmax_of_two_classes_is_a_logit_whose_head_has_twice_the_rate() -> None:
    """z = z_1 - z_0 has both gradients, so that it moves by two steps at once; the trunk sees the same gradient."""
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(6, 5), nn.Tanh()).double()
    two, one, twin = nn.Linear(5, 2).double(), nn.Linear(5, 1).double(), copy.deepcopy(trunk)
    with torch.no_grad():
        one.weight.copy_(two.weight[1:] - two.weight[:1])
        one.bias.copy_(two.bias[1:] - two.bias[:1])
    softmax = torch.optim.SGD([*trunk.parameters(), *two.parameters()], lr=0.3)
    logistic = torch.optim.SGD([{"params": twin.parameters()}, {"params": one.parameters(), "lr": 0.6}], lr=0.3)
    for _ in range(20):
        losses = (
            cross_entropy(two(trunk(X)), Y),
            binary_cross_entropy_with_logits(one(twin(X))[:, 0], Y.double()),
        )
        torch.testing.assert_close(*losses, rtol=0, atol=1e-12)
        for loss, optimiser in zip(losses, (softmax, logistic), strict=True):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    z = two(trunk(X)).detach()
    torch.testing.assert_close(z[:, 1] - z[:, 0], one(twin(X))[:, 0].detach(), rtol=0, atol=1e-10)


def test_a_softmax_is_a_class_against_the_rest_as_one_class() -> None:
    """-log softmax_k = log(1 + e^(r - z_k)), with r the logarithm of the sum of e^z over the others."""
    z = torch.randn(50, 10, dtype=torch.float64, generator=GENERATOR) * 3
    k = torch.arange(50) % 10
    others = z.masked_fill(torch.eye(10, dtype=torch.bool)[k], -torch.inf).logsumexp(dim=1)
    expected = softplus(others - z[torch.arange(50), k])
    torch.testing.assert_close(cross_entropy(z, k, reduction="none"), expected, rtol=0, atol=1e-10)


def test_what_is_added_to_all_logits_changes_a_softmax_and_a_decision_nowhere_and_log_losses_everywhere() -> None:
    z, k = torch.randn(50, 10, dtype=torch.float64, generator=GENERATOR), torch.arange(50) % 10
    moved, y = z + torch.randn(50, 1, dtype=torch.float64, generator=GENERATOR), torch.eye(10, dtype=torch.float64)[k]
    torch.testing.assert_close(cross_entropy(moved, k), cross_entropy(z, k), rtol=0, atol=1e-10)
    assert torch.equal(moved.argmax(dim=1), z.argmax(dim=1))
    logs = [binary_cross_entropy_with_logits(each, y, reduction="none").sum(dim=1) for each in (z, moved)]
    assert float((logs[0] - logs[1]).abs().min()) > 1e-4
    assert float(logs[1].mean()) != pytest.approx(float(logs[0].mean()))
