"""Plug-ins: another text is another run, and what one does on import is done to nobody else."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from bench.catalogue.plugin_files import Plugin, find_plugin, read_plugin
from bench.catalogue.registry import confirm_code, find_entry
from bench.core.resident import ResidentRows
from bench.engines.events import Ended, EpochCallback, Status
from bench.engines.local import call_in_clean_process, run_cells
from bench.execution.cell import StoredCell
from bench.execution.plan_status import survey
from bench.planning.plan import plan
from bench.records import RunSpec
from leaderboard.store import Store
from suites.multidigits import MultiDigits
from tests.conftest import forget_plugins

TEXT = '''
from bench.api import register
from bench.sharing.hard import Hard
{more}

@register("mine", paper="nobody")
class Mine(Hard):
    """x_t <- f(x)."""
'''
SPOILS = """
before = Hard.forward
Hard.forward = lambda self, inputs, state: {t: 0.1 * z for t, z in before(self, inputs, state).items()}
"""
SHORT = ["--device", "cpu", "--jobs", "1", "--set", "epochs=1", "--set", "steps_per_epoch=2"]


def planned(*methods: str, suite: str = "synthetic:tasks=2,train=64", seeds: int = 1) -> list[RunSpec]:
    """Cells of two updates."""
    return plan(suite, methods, range(seeds), {"epochs": "1", "steps_per_epoch": "2"}, device="cpu")


def plugged(file: Path, more: str = "") -> Plugin:
    """The plug-in at `file`, with `more` in it."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(TEXT.format(more=more))
    return read_plugin(file)


def test_the_text_of_a_plugin_is_part_of_the_run(tmp_path: Path) -> None:
    """By the digest of its file; what comes with the project has none, and keeps its run ids."""
    plugin = plugged(tmp_path / "mine.py")
    mine, hard = planned("mine", "hard")
    assert plugin.parts == ("sharing/mine",)
    assert mine.code == {"sharing/mine": hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()}
    assert hard.code == {}
    assert "code" not in hard.model_dump(exclude_defaults=True)
    edited = mine.vary(code={"sharing/mine": "0" * 64})
    assert edited.run_id != mine.run_id
    confirm_code(mine.code)
    with pytest.raises(RuntimeError, match="`mine` should have the source that the run was planned with"):
        confirm_code(edited.code)


def test_a_part_of_the_project_that_a_plugin_registers_is_the_plugins(tmp_path: Path) -> None:
    """Its class is found in the project; whose it is, is said by who registered it."""
    plugged(tmp_path / "other.py", 'register("hard_again")(type("Again", (Hard,), {"__module__": Hard.__module__}))')
    assert find_entry("sharing", "hard_again").code == find_entry("sharing", "mine").code is not None


def test_modules_beside_a_plugin_are_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    helper = tmp_path / "helper_of_mine.py"
    codes = []
    for scale in (1, 2):
        helper.write_text(f"SCALE = {scale}\n")
        with forget_plugins():
            plugged(tmp_path / "mine.py", "from helper_of_mine import SCALE\nimport helper_of_mine")
            codes.append(find_entry("sharing", "mine").code)
        del sys.modules["helper_of_mine"]
    assert codes[0] != codes[1]


def test_two_files_of_one_name_are_two(tmp_path: Path) -> None:
    first = plugged(tmp_path / "a" / "mine.py")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.py").write_text(TEXT.replace('"mine"', '"other"').format(more="pass"))
    second = read_plugin(tmp_path / "b" / "mine.py")
    assert find_plugin(find_entry("sharing", "mine")) == first
    assert find_plugin(find_entry("sharing", "other")) == second
    assert find_entry("sharing", "mine").code != find_entry("sharing", "other").code


def test_a_plugin_travels_as_it_was_read(tmp_path: Path) -> None:
    plugin = plugged(tmp_path / "mine.py")
    (tmp_path / "mine.py").write_text("raise RuntimeError")
    assert Plugin.from_json(json.loads(json.dumps(plugin.as_json()))) == pickle.loads(pickle.dumps(plugin)) == plugin
    assert StoredCell(tmp_path / "store", tmp_path, (plugin,))(planned("mine")[0], lambda *_: None) == "done"


def test_stored_runs_of_another_text_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = plugged(tmp_path / "mine.py")
    cell = StoredCell(tmp_path / "store", tmp_path, (plugin,))
    specs = planned("mine", "hard", seeds=2)
    assert [cell(spec, lambda *_: None) for spec in specs] == ["done"] * 4
    capsys.readouterr()
    assert survey(specs, Store(tmp_path / "store")).count("stored") == 4
    assert capsys.readouterr().err == ""
    edited = [spec.vary(code=dict.fromkeys(spec.code, "0" * 64)) for spec in specs]
    assert survey(edited, Store(tmp_path / "store")).count("stored") == 2  # those of `hard`
    said = "2 stored runs of `mine:split=none` were made by another text of its file and do not count.\n"
    assert capsys.readouterr().err == said.replace(":split=none", "")


# --- in cells that name it, and nowhere else -----------------------------------------------------


@dataclass(frozen=True)
class Stay:
    """Leaves word of its process; needs something where the method is `mine`."""

    folder: Path
    modules: ClassVar[tuple[str, ...]] = StoredCell.modules

    def needs(self, spec: RunSpec) -> frozenset[str]:
        return frozenset(spec.code)

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        (self.folder / spec.run_id).write_text(str(os.getpid()))
        return "done"


def test_no_process_runs_a_cell_after_one_that_needed_more(tmp_path: Path) -> None:
    plugged(tmp_path / "mine.py")
    (tmp_path / "word").mkdir()
    specs = [spec for seed in range(2) for spec in planned("hard", "mine", "single_task", seeds=2)[seed::2]]
    ended = [event for event in run_cells(specs, Stay(tmp_path / "word"), 1) if isinstance(event, Ended)]
    assert {event.status for event in ended} == {"done"}
    pids = [(tmp_path / "word" / spec.run_id).read_text() for spec in specs]
    # hard mine | single_task hard mine | single_task
    assert [spec.method.partition(":")[0] for spec in specs] == ["hard", "mine", "single_task"] * 2
    assert pids[0] == pids[1] != pids[2] == pids[3] == pids[4] != pids[5]


def test_baselines_beside_a_plugin_have_the_digits_they_have_alone(tmp_path: Path) -> None:
    """A plug-in that rewrites a method of the project on import, before it in the same worker."""
    (tmp_path / "mine.py").write_text(TEXT.format(more=SPOILS))
    command = [sys.executable, "-m", "bench.cli.main", "run", "multidigits", "mine", "hard", *SHORT]
    command += ["--plugin", str(tmp_path / "mine.py"), "--store", str(tmp_path / "store")]
    subprocess.run(command, check=True, capture_output=True)
    alone, store = planned("hard", suite="multidigits")[0], Store(tmp_path / "store")
    assert StoredCell(tmp_path / "alone", tmp_path)(alone, lambda *_: None) == "done"
    beside, by_itself = store.get(alone), Store(tmp_path / "alone").get(alone)
    assert beside is not None
    assert by_itself is not None
    assert beside.scores == by_itself.scores
    [mine] = [record for record in store.read().records if record.method == "mine"]
    assert mine.scores != by_itself.scores  # so the plug-in did what it is meant to do


def _first_row(scale: float) -> ResidentRows | None:
    rows = ResidentRows.read(MultiDigits())
    if rows is not None:
        rows.splits["test"].inputs["left"].mul_(scale)
    return rows


def test_rows_are_read_in_a_process_of_their_own() -> None:
    """They come back whole, in shared memory; a process that ends without an answer is none."""
    rows, here = call_in_clean_process(_first_row, 2.0), ResidentRows.read(MultiDigits())
    assert rows is not None
    assert here is not None
    image = rows.splits["test"].inputs["left"]
    assert image.is_shared()
    assert torch.equal(image, 2 * here.splits["test"].inputs["left"])
    assert rows.checksums == here.checksums
    assert call_in_clean_process(os._exit, 3) is None
