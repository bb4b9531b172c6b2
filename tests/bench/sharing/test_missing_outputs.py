"""Gaussian processes of tasks that share inputs and lack outputs: exact, against one dense process over the labels."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.core.suite import Suite, derive_suite
from bench.planning.plan import parse_suite, plan
from bench.training.full_batch.infer import Inferred

SUITE = "linear_synthetic:inputs=shared,tasks=6,train=24"
METHODS = [
    "gp_icm",
    "gp_icm:kernel=rbf,rank=2",
    "gp_icm:intercept=shrunk,kernel=rbf,noise=task",
    "gp_icm:ard=true,intercept=shrunk",
    "gp_shared",
    "gp_shared:ard=true,kernel=rbf",
    "gp_single:kernel=rbf",
]


def mask(task: int, rows: int = 24) -> Tensor:
    """Which rows have a label of a task: others for each."""
    generator = torch.Generator().manual_seed(100 + task)
    return torch.rand(rows, generator=generator) < 0.6


class Partly(Suite):
    """The suite with some labels of the training part missing."""

    def dataset(self, split: Any, seed: int) -> Dataset:
        data = super().dataset(split, seed)  # type: ignore[safe-super]
        if split != "train":
            return data
        hidden = {name: torch.where(mask(t)[:, None], y, math.nan) for t, (name, y) in enumerate(data.targets.items())}
        return Dataset(data.inputs, hidden)


def run(text: str) -> tuple[Inferred, Dataset]:
    """The run of a method on the suite without some labels, fitted, and the training rows with all labels."""
    [spec] = plan(SUITE, [text], [0], {"steps_per_epoch": "15"})  # exact at any parameters, best or not
    _, suite = parse_suite(spec.suite)
    made = Inferred(spec, derive_suite(suite, Partly), Method.parse(text))
    made.train()
    return made, suite.dataset("train", 0)


def parameter(process: Any, name: str, absent: float) -> np.ndarray:
    """A parameter as it is used, from whichever part of the process has it."""
    owners = [module for module in process.modules() if hasattr(module, f"raw_{name}")]
    return getattr(owners[0], name).detach().numpy().ravel() if owners else np.array([absent])


def kernel(process: Any, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """k(x, z) (n, m), from its parameters, pair by pair."""
    length = parameter(process, "lengthscale", 0.0)
    if length.any():
        squares = (((x[:, None] - z[None]) / length) ** 2).sum(axis=2)
        found = parameter(process, "outputscale", 1.0) * np.exp(-squares / 2)
    else:
        found = (x * parameter(process, "variance", 1.0)) @ z.T
    return np.asarray(found + parameter(process, "constant", 0.0))


@pytest.mark.parametrize("text", METHODS)
def test_predictions_are_those_of_a_dense_process_over_the_labels(text: str) -> None:
    """m_t + k^T K^-1 (y - H m) over every label (row, task) that is there, with generalised least squares for m."""
    made, whole = run(text)
    sharing, names = made.model.sharing, list(whole.targets)
    processes = [sharing.processes[min(t, len(sharing.processes) - 1)] for t in range(6)]
    B = np.eye(6)
    if text.startswith("gp_icm"):
        coupling = processes[0].tasks
        B = coupling.covar_factor.numpy() @ coupling.covar_factor.numpy().T + np.diag(coupling.var.numpy())
    inputs = whole.inputs[names[0]].double().numpy()
    labels = [(t, i) for t in range(6) for i in range(24) if bool(mask(t)[i])]
    x, tasks = np.stack([inputs[i] for _, i in labels]), np.array([t for t, _ in labels])
    y = np.array([float(whole.targets[names[t]][i, 0]) for t, i in labels])

    own = "shrunk" not in text
    H = np.eye(6)[tasks] if own else np.ones((len(y), 1))
    scale = np.sqrt(((y - H @ np.linalg.lstsq(H, y, rcond=None)[0]) ** 2).mean())
    blocks = [[kernel(processes[t], x[tasks == t], x[tasks == s]) * B[t, s] for s in range(6)] for t in range(6)]
    noises = [np.broadcast_to(parameter(process, "noise", 0.0), 6) for process in processes]
    K = scale**2 * (np.block(blocks) + np.diag([noises[t][t] for t in tasks]))
    inverse = np.linalg.inv(K)
    means = np.linalg.solve(H.T @ inverse @ H, H.T @ inverse @ y)
    alpha = inverse @ (y - H @ means)
    new = torch.randn(7, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        found = sharing(dict.fromkeys(names, new), TrainState())
    for t, name in enumerate(names):
        across = scale**2 * B[t, tasks] * kernel(processes[t], new.numpy(), x)
        assert np.abs(found[name][:, 0].numpy() - (means[t if own else 0] + across @ alpha)).max() < 1e-8


def test_a_label_that_is_missing_is_counted_nowhere() -> None:
    made, _ = run("gp_shared")
    assert [len(block.y) for block in made.model.sharing.blocks] == [int(mask(t).sum()) for t in range(6)]
