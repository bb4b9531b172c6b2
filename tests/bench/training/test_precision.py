"""The precision of a protocol: what is computed in which type, and that nothing of it is left for the next run."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.errors import UsageError
from bench.records import RunSpec
from bench.training.environment import settle_precision
from bench.training.fit import Run
from bench.training.gradients import compute_losses
from bench.training.step import training_step
from tests.bench.methods import trained_methods
from tests.bench.test_fingerprints import Tiny

METHODS = [method for method in trained_methods() if "@" not in method and ("+" not in method or method == "soft+l2")]


def make(method: str, precision: str) -> Run:
    """A run on twelve rows."""
    chosen, suite = Method.parse(method), Tiny()
    spec = RunSpec(
        suite="tiny",
        method=chosen.canonical,
        seed=0,
        protocol=suite.protocol.model_copy(update={"precision": precision}),
        versions=chosen.versions,
        data="",
    )
    return Run(spec, suite, chosen)


def first_losses(run: Run) -> Tensor:
    """The losses of all rows before the first update."""
    batch = run.data("train").take([torch.arange(12)])
    return torch.stack(compute_losses(run.model, batch, run.module.state)).detach()


@pytest.mark.parametrize("method", METHODS)
def test_bf16_rounds_a_little_in_every_sharing(method: str) -> None:
    full, low = (first_losses(make(method, precision)) for precision in ("float32", "bf16"))
    apart = float((low / full - 1).abs().max())
    assert 1e-6 < apart < 0.05  # bfloat16 has a relative precision of 2^-8


@pytest.mark.parametrize("method", ["hard", "hard@pcgrad"])
def test_bf16_is_inside_of_the_network_only(method: str) -> None:
    run = make(method, "bf16")
    seen: list[Any] = []
    for module in run.model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    batch = run.data("train").take([torch.arange(4)])
    step = training_step(run.model, batch, run.module.state)
    step.backward()
    assert set(seen) == {torch.bfloat16}
    assert step.losses.dtype == torch.float32
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in run.model.parameters() if p.grad is not None} == {torch.float32}


def test_tf32_is_for_a_gpu_and_for_its_run_alone() -> None:
    with pytest.raises(UsageError, match=r"^`precision=tf32` should be used on a GPU; others have no such numbers\.$"):
        make("hard", "tf32")
    assert settle_precision("tf32", torch.device("cuda")) == torch.float32
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (True, True)
    make("hard", "float32")
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (False, False)
