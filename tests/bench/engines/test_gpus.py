"""Workers on a box with several GPUs: each sees its own, and a larger run sees as many as it takes."""

import os
from pathlib import Path

import pytest
import torch

from bench.engines import Ended
from bench.engines.child import Place
from bench.engines.local import assign_places, default_jobs, list_gpus, run_cells
from bench.records import RunSpec
from tests.bench.engines.slow import Telling
from tests.conftest import make_run


def specs(device: str, devices: int = 1, count: int = 2) -> list[RunSpec]:
    """Specifications that a worker is given."""
    spec = make_run("hard").spec
    protocol = spec.protocol.model_copy(update={"device": device, "devices": devices})
    return [spec.vary(seed=seed, protocol=protocol) for seed in range(count)]


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that torch says has four GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    return monkeypatch


def test_one_worker_per_gpu_and_fewer_where_a_cell_takes_several(box: pytest.MonkeyPatch) -> None:
    assert [default_jobs("cuda", devices) for devices in (1, 2, 3, 4, 8)] == [4, 2, 1, 1, 1]
    box.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert [default_jobs("cpu", devices) for devices in (1, 2, 4, 8)] == [6, 3, 1, 1]
    assert [place.core for place in assign_places(specs("cpu"), 6)] == [0, 1, 2, 3, 4, 5]
    assert {place.core for place in assign_places(specs("cpu", devices=2), 6)} == {None}  # each takes two


def test_workers_have_gpus_of_their_own_until_there_are_more_workers(box: pytest.MonkeyPatch) -> None:
    assert [place.gpus for place in assign_places(specs("cuda"), 4)] == [("0",), ("1",), ("2",), ("3",)]
    assert assign_places(specs("cuda"), 5)[4].gpus == ("0",)
    assert [place.gpus for place in assign_places(specs("cuda", devices=2), 2)] == [("0", "1"), ("2", "3")]
    assert {place.gpus for place in assign_places(specs("cpu"), 2)} == {()}


def test_gpus_that_were_chosen_outside_keep_their_names(box: pytest.MonkeyPatch) -> None:
    box.setenv("CUDA_VISIBLE_DEVICES", "GPU-aa,5")
    box.setattr(torch.cuda, "device_count", lambda: 2)
    assert list_gpus() == ["GPU-aa", "5"]
    assert assign_places(specs("cuda"), 2) == [Place(gpus=("GPU-aa",)), Place(gpus=("5",))]


def test_a_worker_sees_the_gpu_that_is_its_own(box: pytest.MonkeyPatch, tmp_path: Path) -> None:
    events = list(run_cells(specs("cuda"), Telling(tmp_path), jobs=2))
    assert [type(event) for event in events] == [Ended, Ended]
    assert {(tmp_path / str(seed)).read_text() for seed in (0, 1)} == {"0", "1"}
