"""Extra tasks that send noise: the settings `noised` and `restart`, which controls of a gain are made of."""

import itertools
from pathlib import Path

import pytest
import torch

from bench.errors import UsageError
from bench.planning.plan import plan
from bench.training.fit import Run
from bench.training.load import load_run
from bench.training.noise import flip_gradients

SUITE = "synthetic:tasks=3,train=16"


def make_run(method: str = "hard", **settings: str) -> Run:
    [spec] = plan(SUITE, [method], [0], {"epochs": "1", "steps_per_epoch": "2"} | settings)
    suite, parsed, _ = load_run(spec, None)
    return Run(spec, suite, parsed)


def test_over_all_signs_the_gradient_has_mean_zero_and_the_second_moment_of_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    x, w = torch.randn(4, 3, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    head = torch.randn(2, dtype=torch.float64, requires_grad=True)
    by_row = torch.stack([torch.autograd.grad((x[i : i + 1] @ w).tanh() @ head, w)[0].flatten() for i in range(4)])
    found = []
    for signs in itertools.product((0, 1), repeat=4):
        monkeypatch.setattr(torch, "randint", lambda *a, s=signs, **k: torch.tensor(s)[:, None])
        loss = (flip_gradients((x @ w).tanh(), None) @ head).sum()
        of_trunk, of_head = torch.autograd.grad(loss, [w, head])
        found.append(of_trunk.flatten())
        assert torch.equal(of_head, (x @ w).tanh().sum(dim=0))  # the head learns from every row as before
    each = torch.stack(found)
    assert each.mean(dim=0).abs().max() < 1e-12
    assert torch.allclose(each.T @ each / len(each), by_row.T @ by_row, atol=1e-12)


def gradients(run: Run) -> dict[str, torch.Tensor]:
    rows = run.start().rows
    batch = next(iter(run.batches(rows)))
    run.module.training_step(batch, 0)
    run.module.taken.backward()
    return {name: p.grad.clone() for name, p in run.model.named_parameters() if p.grad is not None}


def test_only_what_noised_tasks_send_beyond_their_heads_changes() -> None:
    plain, noised = gradients(make_run()), gradients(make_run(noised="task01/task02"))
    same = {name for name in plain if torch.allclose(plain[name], noised[name])}
    assert {name.partition(".")[0] for name in same} == {"heads"}
    assert {name for name in plain if name.startswith("heads")} == same


def test_evaluation_of_noised_tasks_is_as_it_is() -> None:
    plain, noised = make_run(), make_run(noised="task01")
    inputs = plain.data("test").inputs
    with torch.no_grad():
        one, other = (run.model.eval()(inputs, run.module.state) for run in (plain, noised))
    assert all(torch.equal(one[task], other[task]) for task in one)


def test_a_restart_draws_other_weights_and_batches_on_the_same_rows() -> None:
    first, second = make_run(), make_run(restart="1")
    [one], [other] = (
        [p for n, p in run.model.named_parameters() if n.startswith("sharing")][:1] for run in (first, second)
    )
    assert not torch.equal(one, other)
    rows, again = first.data("train"), second.data("train")
    assert all(torch.equal(rows.inputs[task], again.inputs[task]) for task in rows.inputs)
    order, further = (next(iter(run.batches(rows)))[0]["task00"] for run in (first, second))
    assert not torch.equal(order, further)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"noised": "task09"}, "`noised` should name tasks"),
        ({"smoothed": "tasc01"}, "`smoothed` should name tasks"),
        ({"smoothed": "task01", "shuffled": "task01"}, "in one of `shuffled` and `smoothed`"),
        ({"restart": "-1"}, "restart"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        plan(SUITE, ["hard"], [0], settings)
