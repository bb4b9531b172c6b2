"""What is timed, and what an update must not do: wait for the device, look twice at one input, copy the data."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.cli.main import main
from bench.perf import harness as perf
from bench.perf.harness import REFERENCE, alternate
from bench.perf.speedups import measure_speedups
from bench.training.batches import Batches
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor
from tests.conftest import make_run


class Waits(TorchDispatchMode):
    """Counts what makes the host wait for a number of the device."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += str(func).split(".")[1] in self.WAITING
        return func(*args, **kwargs or {})


def waits(method: str, steps: int) -> int:
    """How often a training run of one epoch waits."""
    run = make_run(method, epochs="1", steps_per_epoch=str(steps), optimiser="adam")
    rows = run.data("train")
    with Waits() as seen:
        train(run.module, Batches(rows, run.protocol, 0), TrainingMonitor(run.module))
    return seen.count


@pytest.mark.parametrize("method", [*REFERENCE, "hard@uncertainty"])
def test_no_update_waits_for_the_device(method: str) -> None:
    assert waits(method, 9) == waits(method, 3)


def test_a_wait_is_seen() -> None:
    with Waits() as seen:
        torch.ones(3).sum().item()
    assert seen.count == 1


def test_alternation_pairs_what_was_measured_together() -> None:
    """Ratios are of neighbours; the first round is left out, and each comes first as often as the other."""
    order = ""

    def block(name: str, times: list[float]) -> float:
        nonlocal order
        order += name
        return times.pop(0)

    first, second = [9.0, 1.0, 2.0, 4.0], [1.0, 2.0, 2.0, 12.0]
    found = alternate(lambda: block("a", first), lambda: block("b", second), 3)
    assert found[:3] == (2.0, 2.0, 2.0)
    assert order == "baabbaab"
    assert alternate(lambda: 1.0, iter([9.0, 1.0, 3.0]).__next__, 2)[2:] == (2.0, 1.0, 3.0)


def test_all_are_the_reference_methods(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(perf.BLOCK_UPDATES, "synthetic", 12)
    assert main(["perf", "--all", "--suite", "synthetic:tasks=2", "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["suite"], row["method"]) for row in rows] == [("synthetic:tasks=2", method) for method in REFERENCE]
    assert all(0 < row["ratio_low"] <= row["ratio"] <= row["ratio_high"] for row in rows)


def test_effects_are_the_same_work_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.perf.speedups.FORKS", "none")
    monkeypatch.setitem(perf.BLOCK_UPDATES, "multidigits", 12)
    rows = list(measure_speedups(Path(), 1, ("multidigits",)))
    assert [row["effect"] for row in rows] == [
        "channels last",
        "one thread a worker",
        "a trunk runs once for each input",
        "no waiting inside an update",
        "evaluation in large batches",
        "rows in memory",
    ]
    assert all(row["without_ms"] > 0 < row["with_ms"] for row in rows)
    assert all(row["ratio"] == pytest.approx(row["with_ms"] / row["without_ms"]) for row in rows)
