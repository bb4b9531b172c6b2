"""Fixtures for all tests: small runs in float64 under plain SGD, where the exact laws hold."""

import gc
import multiprocessing
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from bench.catalogue import plugin_files, registry
from bench.catalogue.method import Method
from bench.catalogue.registry import list_entries
from bench.engines import preload
from bench.execution.cell import StoredCell
from bench.planning.plan import parse_suite, plan, suite_under_protocol
from bench.scores import KINDS
from bench.training.fit import Run
from bench.training.model import MultiTaskModel
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor
from leaderboard.store import StoreContents
from leaderboard.store.committed import read_committed

EXACT = {
    "precision": "float64",
    "optimiser": "sgd",
    "schedule": "constant",
    "lr": "0.02",
    "epochs": "3",
    "weight_decay": "0.0",
    "coordinates": "copies",
}
Trained = Callable[..., MultiTaskModel]


def make_run(method: str, suite: str = "synthetic:tasks=3", seed: int = 0, **settings: str) -> Run:
    """A run that has not started: plain SGD in float64 unless `settings` say otherwise."""
    [spec] = plan(suite, [method], [seed], EXACT | settings, device="cpu")
    _, built = parse_suite(spec.suite)
    return Run(spec, suite_under_protocol(built, spec.protocol), Method.parse(spec.method))


def train_run(run: Run) -> MultiTaskModel:
    """Train to the last epoch and return the model as it is then."""
    train(run.module, run.batches(run.data("train")), TrainingMonitor(run.module))
    return run.model


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Layers that a module of tests makes as it is imported are the same whichever modules came before."""
    torch.manual_seed(0)
    return (yield)


@pytest.fixture(autouse=True)
def drawn_alike() -> None:
    """A test draws the same numbers whichever tests came before it in its process."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The models are tiny: a second thread only waits for the first."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def imported_first() -> None:
    """Modules and collected tests are no garbage: every run begins by looking for it, and would look at all of them."""
    for kind in registry.PACKAGES:
        list_entries(kind)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def imported_for_workers() -> None:
    """Whichever test is the first to start a worker: all later ones are copies of a process that has imported all."""
    multiprocessing.set_forkserver_preload([preload.__name__])
    os.environ[preload.VARIABLE] = " ".join(StoredCell.modules)


@contextmanager
def forget_plugins() -> Iterator[None]:
    """Names that are registered inside, as by plug-ins that are loaded, are gone afterwards: as in a new process."""
    before = {kind: list_entries(kind) for kind in registry.PACKAGES}
    kinds = dict(KINDS)
    yield
    KINDS.data.clear()
    KINDS.data.update(kinds)
    for kind, known in before.items():
        registry._ENTRIES[kind].clear()
        registry._ENTRIES[kind].update(known)
    plugin_files._LOADED.clear()


@pytest.fixture(autouse=True)
def unregistered() -> Iterator[None]:
    """No test sees the plug-ins of another one."""
    with forget_plugins():
        yield


@pytest.fixture(scope="session")
def committed_contents() -> StoreContents:
    """The whole committed store, which takes seconds to read, for tests that change nothing in it."""
    return read_committed()


@pytest.fixture(scope="session")
def trained() -> Trained:
    """trained(method, suite, **settings) -> the model after training; the same arguments train once."""
    kept: dict[tuple[object, ...], MultiTaskModel] = {}

    def get(method: str, suite: str = "synthetic:tasks=3", **settings: str) -> MultiTaskModel:
        key = (method, suite, *sorted(settings.items()))
        if key not in kept:
            kept[key] = train_run(make_run(method, suite, **settings))
        return kept[key]

    return get


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """small_disk(kilobytes) -> the root of a file system of that size in memory, gone after the test."""
    root = tmp_path / "disk"

    def mount(kilobytes: int) -> Path:
        root.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(root)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no `mount` here")
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        return root

    yield mount
    if root.is_mount():  # lazily: a process that is on its way out may still be inside
        subprocess.run(["umount", "--lazy", str(root)], check=True)
