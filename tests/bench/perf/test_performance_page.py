"""The page of measurements: every number has a place, the script that tables are held against does the same work."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.catalogue.method import Method
from bench.training.model import MultiTaskModel
from benchmarks import plain
from benchmarks.performance import render_page
from benchmarks.processes import PAUSE, measure_peak_memory, time_command
from suites.multimnist import MultiMNIST
from suites.multimnist import suite as multimnist
from suites.multimnist.variants import VARIANTS

RATIO = {"ratio": 1.0213, "ratio_low": 1.011, "ratio_high": 1.031}
UPDATE = {"suite": "multidigits", "method": "hard", "bare_ms": 2.0, "harness_ms": 2.25, **RATIO}
FOUND: dict[str, Any] = {
    "command": "python -m benchmarks.performance",
    "machine": "2 cores",
    "packages": "torch 0",
    "load": "0.05",
    "size": {"seeds": 4, "epochs": 2, "worker_seeds": 1},
    "updates": [UPDATE],
    "table": {
        "cells": 16,
        "jobs": 2,
        "table_s": 110.0,
        "floor_s": 100.0,
        "floor_updates_s": 90.0,
        "script_s": 220.0,
        "table_over_floor": 1.1,
        "table_over_floor_of_updates": 1.2222,
        "table_over_script": 0.5,
    },
    "workers": [{"jobs": 1, "table_s": 38.0, "speed": 1.0}, {"jobs": 2, "table_s": 20.0, "speed": 1.9}],
    "crowding": {"jobs": 2, "alone_s": 4.0, "together_s": 4.4, "ratio": 1.1},
    "memory": {"jobs": 2, "peak_mb": 1400.0, "torch_mb": 400.0, "beyond_mb": 1000.0},
    "cells": [{**UPDATE, "cell_s": 1.0, "updates_s": 0.7, "evaluations_s": 0.2, "rest_s": 0.1}],
    "idle": {"cells": 100, "run_s": 3.9, "torch_s": 2.8},
    "records": {"records": 10_000, "read_s": 3.04, "ms_each": 0.304, "kb_each": 8.2},
    "effects": [{"effect": "channels last", "work": "an update", "without_ms": 3.0, "with_ms": 2.0, **UPDATE}],
    "seeds": [{"seeds": 1, "wall_s": 9.0}],
    "tasks": [{"tasks": 2, **UPDATE}],
    "joined": [
        {"suite": "multidigits", "form": "first", "apart_ms": 2.0, "joined_ms": 1.9, "ratio": 0.95, "same": True}
    ],
    "compiled": [
        {
            "suite": "multidigits",
            "eager_ms": 2.0,
            "compiled_ms": 2.1,
            "ratio": 1.05,
            "compile_s": 20.0,
            "pays_after": None,
            "budget": 1860,
        }
    ],
    "rounded": [{**UPDATE, "float32_ms": 2.0, "bfloat16_ms": 1.5}],
    "moved": {
        "epochs": 2,
        "seeds": 4,
        "float32": 92.5,
        "bf16": 92.41,
        "change": -0.09,
        "low": -0.2,
        "high": 0.02,
    },
}


def test_a_page_has_every_number_in_its_place() -> None:
    text = render_page(FOUND)
    for line in (
        "| `multidigits` | `hard` | 2.00 | 2.25 | +0.25 | 1.021 [1.011, 1.031] |",
        "| the plain script | 220.0 | 0.500 |",
        "| 2 | 20.0 | 1.90 |",
        "| `multidigits` | `hard` | 1.00 | 0.70 | 0.20 | 0.10 |",
        "| `multidigits` | 2.00 | 2.10 | 1.050 | 20.0 | never | 1,860 |",
        "3.0 s, 0.30 ms each",
        "-0.09 points",
    ):
        assert line in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(row.endswith("|") for row in rows)
    assert render_page(json.loads(json.dumps(FOUND))) == text


def test_a_page_of_numbers_that_lack_a_section_is_refused() -> None:
    with pytest.raises(Exception, match="moved"):
        render_page({name: value for name, value in FOUND.items() if name != "moved"})


@pytest.mark.parametrize("method", ["single_task", "hard", "cross_stitch", "soft+l2"])
def test_the_plain_script_trains_the_same_networks(method: str) -> None:
    """Parameter by parameter, beside the order of the modules; copies by themselves, as the plain script has them."""
    suite = MultiMNIST()
    model = MultiTaskModel(suite, Method.parse(method), suite.earlier_protocols[0], 0)
    name = method.partition("+")[0]
    networks = [plain.Network(name, 1)] * 2 if name == "single_task" else [plain.Network(name, 2)]
    shapes = [
        tuple(parameter.shape)
        for network in networks
        for key, parameter in network.named_parameters()
        if not key.startswith("units") or name == "cross_stitch"
    ]
    assert sorted(shapes) == sorted(tuple(parameter.shape) for parameter in model.parameters())


def test_the_plain_script_makes_the_same_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same pairs, those of the suite's `sener` variant."""
    generator = np.random.default_rng(0)
    scans, digits = generator.integers(0, 256, (20, 28, 28), dtype=np.uint8), generator.integers(0, 10, 20)
    mnist = SimpleNamespace(data=torch.from_numpy(scans), targets=torch.from_numpy(digits))
    monkeypatch.setattr(plain.datasets, "MNIST", lambda *_, **__: mnist)
    pictures = plain.MultiMNIST(Path(), True, slice(0, 20), seed=3)
    pairs = np.hstack([pictures.pairs, np.tile([0, 0, 6, 6], (20, 1))])
    monkeypatch.setattr(multimnist, "_base_rows", lambda *_: (scans, digits))
    monkeypatch.setattr(multimnist, "_pairs", lambda *_: pairs)
    rows = multimnist._compose(Path("absent"), VARIANTS["sener"], ("MNIST", "MNIST"), "train", 20)
    seen, labels = next(rows.slices(20))
    images, left, right = zip(*(pictures[row] for row in range(20)), strict=True)
    assert torch.allclose(torch.stack(images), seen["left"], rtol=0, atol=1e-6)
    assert (list(left), list(right)) == (labels["left"].tolist(), labels["right"].tolist())


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_of_a_command_is_that_of_its_family() -> None:
    """A child that holds 200 MiB counts; pages that both hold count once."""
    hold = f"import time; block = bytearray(200 << 20); time.sleep({5 * PAUSE})"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    assert 200 < measure_peak_memory([sys.executable, "-c", script]) < 300


def test_a_command_that_fails_is_not_timed() -> None:
    with pytest.raises(Exception, match="exit status 3"):
        time_command([sys.executable, "-c", "raise SystemExit(3)"])
