"""One run on several devices: what two processes compute together is what one computes."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.catalogue.plugin_files import find_plugin, load_plugin
from bench.catalogue.registry import choose
from bench.errors import UsageError
from bench.loop.ranks import Ranks
from bench.planning.plan import override, parse_suite, plan
from bench.records import ResultRecord, parse_call
from bench.training.devices.peers import launch_workers
from bench.training.fit import fit
from tests.bench.training.pair import CASES, label, run

PLUGIN = '''
from bench.api import Weighting, register

@register("halves")
class Halves(Weighting):
    """w_t = 1/2."""

    def forward(self, state):
        return 0 * state.losses.detach() + 0.5
'''


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """case -> the largest difference of a number between two processes and one, after ten updates in float64."""
    folder = tmp_path_factory.mktemp("pair")
    start = torch.multiprocessing.start_processes  # type: ignore[attr-defined]
    start(run, (folder,), nprocs=2, start_method="forkserver")  # type: ignore[no-untyped-call]
    return {case: value for rank in (0, 1) for case, value in json.loads((folder / f"{rank}.json").read_text()).items()}


@pytest.mark.parametrize("case", [label(*case) for case in CASES])
def test_two_processes_are_one(case: str, apart: dict[str, float]) -> None:
    assert apart[case] < 1e-9


def test_the_measure_sees_a_run_on_half_of_the_rows() -> None:
    """A batch of half the size, as each process would see it without the other, is another run by far."""
    from tests.bench.training.pair import trained

    case, half = (("tiny", "hard", settings) for settings in ({}, {"batch_size": 2}))
    assert float((trained(case) - trained(half)).abs().max()) > 1e-3


# --- rows --------------------------------------------------------------------------------------


def test_every_process_has_its_stretch_of_every_input_and_tensors_stay_shared() -> None:
    x, z = torch.arange(6.0), torch.arange(4.0)
    parts = [Ranks(rank, 2).take_own_rows({"a": x, "b": z, "c": x}) for rank in (0, 1)]
    assert all(list(part) == ["a", "b", "c"] and part["a"] is part["c"] for part in parts)
    assert torch.equal(torch.cat([part["a"] for part in parts]), x)
    assert torch.equal(torch.cat([part["b"] for part in parts]), z)
    with pytest.raises(UsageError, match=r"`devices=2` should divide the rows .* Found 3\."):
        Ranks(0, 2).take_own_rows({"a": torch.zeros(3)})


# --- the protocol ------------------------------------------------------------------------------


def test_a_number_of_devices_is_another_run_and_one_is_the_run_of_before() -> None:
    one, two = (plan("multidigits", ["hard"], [0], {"devices": n}, "cpu")[0] for n in "12")
    assert one.run_id == plan("multidigits", ["hard"], [0], {}, "cpu")[0].run_id
    assert two.run_id != one.run_id
    assert (one.overrides, two.overrides) == ({}, {"devices": "2"})


def test_rows_of_an_update_are_divided_evenly() -> None:
    _, suite = parse_suite("multidigits")
    with pytest.raises(UsageError, match=r"^`devices` should divide the rows of an update, 64. Found `devices = 3`.$"):
        override(suite.protocol, {"devices": "3"})
    assert override(suite.protocol, {"devices": "3", "batch_size": "63"})[0].devices == 3


def test_there_are_as_many_gpus_as_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    [spec] = plan("multidigits", ["hard"], [0], {"devices": "4"}, "cpu")
    spec = spec.vary(protocol=spec.protocol.model_copy(update={"device": "cuda"}))
    with (
        pytest.raises(UsageError, match=r"at most the GPUs that a worker sees, 2. Found `4`\."),
        launch_workers(spec, None),
    ):
        pass


# --- a run, whole ------------------------------------------------------------------------------


def children() -> list[int]:
    """Processes that this one started and that are still there."""
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def record(method: str, devices: int, on_epoch: Any = None, **settings: str) -> ResultRecord:
    """The record of a short run in float64 on so many processes."""
    base = {"precision": "float64", "epochs": "2", "steps_per_epoch": "5", "devices": str(devices)}
    return fit(plan("synthetic:tasks=2", [method], [0], base | settings, "cpu")[0], on_epoch=on_epoch)


def test_the_record_of_two_processes_is_that_of_one(tmp_path: Path) -> None:
    """Written once, with a method that only a plug-in file knows, two members, and nobody left behind."""
    file = tmp_path / "halves.py"
    file.write_text(PLUGIN)
    load_plugin(file)
    plugin = find_plugin(choose("weighting", parse_call("halves")).entry)
    assert plugin is not None
    assert plugin.path == file
    assert find_plugin(choose("weighting", parse_call("uniform")).entry) is None
    before, told = children(), []
    one, two = (record("hard@halves", n, lambda done, epochs: told.append((done, epochs)), members="2") for n in (1, 2))
    assert (two.status, two.error) == ("done", None)
    assert told == [(1, 2), (2, 2)] * 2
    assert two.find_problems() == []
    assert two.selection == one.selection
    for task in one.tasks:
        assert two.scores["val"][task]["rmse"] == pytest.approx(one.scores["val"][task]["rmse"], abs=1e-9)
    assert one.cost is not None
    assert two.cost is not None
    assert two.cost.hardware == f"2 x {one.cost.hardware}"
    assert (two.cost.parameters, two.cost.forward_flops) == (one.cost.parameters, one.cost.forward_flops)
    assert children() == before


def test_a_process_that_dies_is_a_failed_record_and_nothing_hangs() -> None:
    before = children()

    def kill(done: int, epochs: int) -> None:
        for pid in set(children()) - set(before):
            os.kill(pid, signal.SIGKILL)

    found = record("hard", 2, kill, epochs="1000")
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.message == "Process 1 of the run ended: exit code -9"
    assert children() == before
