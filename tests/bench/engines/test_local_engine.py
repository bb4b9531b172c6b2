"""Worker processes: where they run, what they have already, and data that they hold together."""

import gc
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch

from bench.core import resident
from bench.core.resident import ResidentRows
from bench.engines.events import Ended, EpochCallback
from bench.engines.local import default_jobs, run_cells
from bench.planning.plan import parse_suite, plan
from bench.records import RunSpec
from bench.training.fit import fit
from suites.multidigits import MultiDigits

CORES = default_jobs("cpu")


@dataclass(frozen=True)
class Look:
    """Notes what its process is like; with `rows`, counts its visits in the first image of the test split."""

    folder: Path
    rows: dict[str, ResidentRows] = field(default_factory=dict)
    modules: ClassVar[tuple[str, ...]] = ("bench.training.fit",)

    def needs(self, spec: RunSpec) -> frozenset[str]:
        return frozenset()

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Literal["done", "failed"]:
        found: dict[str, Any] = {
            "pid": os.getpid(),
            "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
            "threads": torch.get_num_threads(),
            "imported": "bench.training.fit" in sys.modules,
            "frozen": gc.get_freeze_count(),
            "told": os.environ.get("MTLBENCH_TOLD"),
        }
        for rows in self.rows.values():
            image = rows.splits["test"].inputs["left"][0]
            found["shared"] = image.is_shared()
            image[0, 0, spec.seed] += 1
        (self.folder / f"{spec.seed}.json").write_text(json.dumps(found))
        on_epoch(1, 1)
        return "done"


def look(folder: Path, jobs: int, cells: int, rows: dict[str, ResidentRows] | None = None) -> list[dict[str, Any]]:
    """What each of so many cells noted."""
    specs = plan("multidigits", ["hard"], range(cells), device="cpu")
    ended = [e for e in run_cells(specs, Look(folder, rows or {}), jobs) if isinstance(e, Ended)]
    assert [(event.status, event.error) for event in ended] == [("done", None)] * cells
    return [json.loads((folder / f"{seed}.json").read_text()) for seed in range(cells)]


def test_workers_have_one_thread_their_imports_and_nothing_for_the_collector(tmp_path: Path) -> None:
    for found in look(tmp_path, 1, 2):
        assert found["threads"] == 1
        assert found["imported"]
        assert found["frozen"] > 100_000


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system places its processes itself")
def test_each_worker_has_a_core_to_itself_where_all_are_used(tmp_path: Path) -> None:
    cores = {found["pid"]: found["cores"] for found in look(tmp_path, CORES, 2 * CORES)}
    assert sorted(cores.values()) == [[core] for core in sorted(os.sched_getaffinity(0))][: len(cores)]
    many = look(tmp_path, CORES + 1, CORES + 1)
    assert {tuple(found["cores"]) for found in many} == {tuple(sorted(os.sched_getaffinity(0)))}


def test_workers_know_the_environment_of_their_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the process that they are copies of is older."""
    for word in ("first", "second"):
        monkeypatch.setenv("MTLBENCH_TOLD", word)
        assert [found["told"] for found in look(tmp_path, 1, 1)] == [word]


@pytest.mark.skipif(not resident.SHARED_MEMORY.is_dir(), reason="the system has no shared memory")
def test_workers_hold_one_copy_of_the_rows(tmp_path: Path) -> None:
    """What one of them writes is there for this process, which read them."""
    rows = ResidentRows.read(MultiDigits())
    assert rows is not None
    image = rows.splits["test"].inputs["left"][0, 0, 0]
    before = image.clone()
    assert all(found["shared"] for found in look(tmp_path, 2, 3, {"multidigits": rows}))
    assert (image - before).tolist() == [1.0, 1.0, 1.0, *[0.0] * 9]


def test_rows_that_were_read_give_the_same_record() -> None:
    settings = {"epochs": "1", "steps_per_epoch": "6"}
    for method in ("hard", "single_task"):
        [spec] = plan("multidigits", [method], [0], settings, device="cpu")
        records = [fit(spec, rows=rows) for rows in (None, ResidentRows.read(MultiDigits()))]
        first, second = (r.model_dump(exclude={"cost", "created", "digest"}) for r in records)
        assert first["status"] == "done"
        assert first == second


def test_rows_are_read_once_and_served(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = MultiDigits()
    rows = ResidentRows.read(suite)
    assert rows is not None
    assert rows.checksums == suite.checksums()
    monkeypatch.setattr("suites.multidigits.suite._images", None)  # reading once more would raise
    served = rows.serve(suite)
    assert isinstance(served, MultiDigits)
    assert served.dataset("val", 3) is rows.splits["val"]
    assert served.checksums() == rows.checksums


def test_what_is_not_read_for_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rows that differ by seed, and rows for which there is no room."""
    assert ResidentRows.read(parse_suite("synthetic")[1]) is None
    monkeypatch.setattr(resident, "SHARED_MEMORY", tmp_path / "absent")
    assert ResidentRows.read(MultiDigits()) is None
