"""What `mtlbench perf --loop` compares is the same work, and its rows have what the table shows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from bench.cli.main import main
from bench.loop.share import share
from bench.perf import own_loop
from bench.perf.own_loop import Plain, draw_example_rows, make_parts, measure_own_loop


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_loop, "SHAPE", (3, 64, 64))


def test_both_loops_train_the_same_network() -> None:
    """One update by hand and one by `step`, from the same weights, end at the same ones."""
    torch.manual_seed(0)
    plain, net = Plain(), share(*make_parts())
    x, y = draw_example_rows(2)
    first, second = torch.optim.SGD(plain.parameters(), lr=0.1), torch.optim.SGD(net.parameter_groups(lr=0.1))
    torch.stack([(head(plain.trunk(x)) - y[t]).square().mean() for t, head in plain.heads.items()]).sum().backward()
    first.step()
    net.step({task: (p - y[task]).square().mean() for task, p in net(x).items()}, second)
    for a, b in zip(plain.parameters(), net.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4)


def test_rows_have_times_and_memory_of_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(own_loop, "RULES", {"pcgrad": own_loop.RULES["pcgrad"]})

    def few(rounds: int) -> Iterator[dict[str, Any]]:
        return measure_own_loop(rounds, rows=2)

    monkeypatch.setattr("bench.perf.own_loop.measure_own_loop", few)
    assert main(["perf", "--loop", "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["step"], row["beside"]) for row in rows] == [
        ("hard", "a loop by hand"),
        ("hard@pcgrad", "a forward and 3 backward passes"),
        ("hard@pcgrad", "TorchJD's pcgrad"),
    ]
    assert all(0 < row["ratio_low"] <= row["ratio"] <= row["ratio_high"] for row in rows)
    assert all(row["step_mb"] > 1 and row["beside_mb"] > 1 for row in rows)
    assert main(["perf", "hard", "--loop"]) == 2
