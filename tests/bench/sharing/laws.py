"""What tests of sharings compare: predictions before and after a few updates."""

import torch
from torch import Tensor, nn

from bench.core.state import TrainState
from bench.training.fit import Run
from tests.conftest import train_run

SUITES = ["synthetic:tasks=3", "multidigits"]


SHORT = {"epochs": "1", "steps_per_epoch": "12"}


def predictions(run: Run, phase: str = "train") -> dict[str, Tensor]:
    """What the model of a run says of the first rows."""
    rows = run.data("train")
    inputs, _ = rows.take([torch.arange(16) for _ in rows.groups])
    run.model.eval()
    with torch.no_grad():
        found: dict[str, Tensor] = run.model(inputs, TrainState(step=1, phase=phase))
    return found


def apart(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max(float((a[task] - b[task]).abs().max()) for task in a)


def after(run: Run, phase: str = "train") -> dict[str, Tensor]:
    """Predictions after a short training."""
    train_run(run)
    return predictions(run, phase)


class Picks(nn.Module):
    """A gate that always names one expert."""

    def __init__(self, expert: int, experts: int) -> None:
        super().__init__()
        self.register_buffer("usage", torch.eye(experts, dtype=torch.float64)[expert])

    def forward(self, x: Tensor, counts: bool = True) -> Tensor:
        return self.usage.expand(len(x), -1)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())
