"""Checkpoints: a run that was killed goes on to the numbers of one that was not, digit for digit, or starts anew."""

import errno
import io
import itertools
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.catalogue.plugin_files import load_plugin
from bench.execution.cell import StoredCell
from bench.planning.plan import plan
from bench.records import ResultRecord, RunSpec
from bench.training import checkpoint as module
from bench.training import watch
from bench.training.checkpoint import Checkpoint
from bench.training.fit import fit
from leaderboard.store import Store
from tests.bench.methods import catalogue

PLUGIN = Path(__file__).parents[2] / "plugins" / "broken.py"
STATEFUL = [  # what each has that a resumed run must find again
    ("hard", {}),  # moments of the optimiser
    ("hard", {"optimiser": "sgd", "momentum": "0.9", "schedule": "step", "decay_every": "2", "decay_factor": "0.5"}),
    ("hard", {"members": "2"}),  # a model that is trained already
    ("single_task", {}),  # an epoch of each task's own
    ("cross_stitch:warm=0.5", {}),  # a phase
    ("adashare", {}),  # three phases, the generator, parameters that stop to train
    ("learn_to_branch", {}),  # and towers that do
    *((f"soft+{name}", {"coordinates": "mean"}) for name in ("mtrl", "l1", "l21:form=penalty")),  # measured strengths
    ("soft+mrn", {}),  # three of them, with a warm-up
    ("soft+l2:form=offset,schedule=anneal", {}),  # a mean beside its deviations
    ("hard@gradnorm", {}),  # weights and first losses
    ("hard@famo", {}),  # an optimiser of its own
    ("hard@dwa", {}),  # losses of two epochs
    *(("hard@gradvac", {}), ("hard@nash_mtl", {}), ("hard@rlw", {})),  # running cosines, nothing, the generator
    ("drops", {}),  # torch's own
    ("freezes", {}),  # a choice that would be another one today
]


class Killed(BaseException):
    """The end of a process, for whoever may not clear up."""


class Mortal(Checkpoint):
    """Dies after every write."""

    def _write(self) -> None:
        super()._write()
        raise Killed


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every epoch, and a clock that counts how often it was asked, so that times are exact too."""
    monkeypatch.setattr(module, "TRAINING_PER_WRITE", 0)
    ticks = itertools.count()
    monkeypatch.setattr(watch, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))


def specify(method: str = "hard", suite: str = "synthetic:tasks=3", **settings: str) -> RunSpec:
    """Three epochs of four updates."""
    [spec] = plan(suite, [method], [0], {"epochs": "3", "steps_per_epoch": "4"} | settings, device="cpu")
    return spec


def content(record: ResultRecord) -> dict[str, Any]:
    """All but when it was made and how much memory there was: the times are those of the clock above."""
    assert record.cost is not None, record.error
    cost = record.cost.model_dump(exclude={"peak_memory_mb"})
    return record.model_dump(exclude={"digest", "created", "cost"}) | {"cost": cost}


def killed_and_resumed(spec: RunSpec, path: Path) -> tuple[ResultRecord, int]:
    """The record of a run that is killed after every checkpoint, and how often it was."""
    for kills in itertools.count():
        try:
            return fit(spec, checkpoint=Mortal(path, every=0)), kills
        except Killed:
            torch.rand(7)  # another process has drawn other numbers
    raise AssertionError


@pytest.mark.parametrize(("method", "settings"), STATEFUL)
def test_a_run_that_is_killed_after_every_epoch_gives_the_same_record(
    method: str, settings: dict[str, str], tmp_path: Path
) -> None:
    load_plugin(PLUGIN)
    spec = specify(method, **settings)
    found, kills = killed_and_resumed(spec, tmp_path / "run.pt")
    assert content(found) == content(fit(spec))
    assert kills == 3 * spec.protocol.members


@pytest.mark.parametrize("suite", ["multidigits", "synthetic:inputs=own,tasks=2"])
def test_so_it_does_with_images_and_with_inputs_of_their_own(suite: str, tmp_path: Path) -> None:
    spec = specify("soft+trace_norm@uncertainty" if suite == "multidigits" else "hard@pcgrad", suite)
    found, _ = killed_and_resumed(spec, tmp_path / "run.pt")
    assert content(found) == content(fit(spec))


@pytest.mark.slow
@pytest.mark.parametrize("method", catalogue())
def test_so_does_every_method(method: str, tmp_path: Path) -> None:
    spec = specify(method)
    found, _ = killed_and_resumed(spec, tmp_path / "run.pt")
    assert content(found) == content(fit(spec))


# --- whose checkpoint it is ---------------------------------------------------------------------


@pytest.fixture
def begun(tmp_path: Path) -> tuple[RunSpec, Path]:
    """A run that was killed after its first epoch: its specification and its checkpoint."""
    spec, path = specify(), tmp_path / "run.pt"
    with pytest.raises(Killed):
        fit(spec, checkpoint=Mortal(path, every=0))
    return spec, path


def epochs_of(spec: RunSpec, path: Path) -> tuple[list[int], dict[str, Any]]:
    """The epochs that a process trains, and the content of its record."""
    trained: list[int] = []
    record = fit(spec, on_epoch=lambda done, _: trained.append(done), checkpoint=Checkpoint(path, every=0))
    return trained, content(record)


def test_a_whole_one_of_this_run_is_taken_up(begun: tuple[RunSpec, Path], capsys: pytest.CaptureFixture[str]) -> None:
    spec, path = begun
    assert epochs_of(spec, path)[0] == [2, 3]
    assert capsys.readouterr().err == ""


def flip(path: Path) -> None:
    """One bit in the middle of the largest tensor."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    data[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(data)


class Harmful:
    """Says where it was loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.mkdir, ("harmed",)


def changed(**identity: str) -> Callable[[Path], None]:
    """What makes a checkpoint one of something else."""

    def change(path: Path) -> None:
        found = torch.load(path, weights_only=True)
        found["identity"] |= {name.replace("_", " "): value for name, value in identity.items()}
        torch.save(found, path)

    return change


FOREIGN = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a zip file"),
    "flipped": (flip, "does not match its checksum"),
    "empty": (lambda path: path.write_bytes(b""), "not a zip file"),
    "text": (lambda path: path.write_text("{}"), "not a zip file"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Harmful())), "not a zip file"),
    "harmful": (lambda path: torch.save({"identity": Harmful()}, path), "posix.mkdir"),
    "bare": (lambda path: torch.save({}, path), "identity"),
    "other run": (changed(run_id="0" * 16), "made with another run id"),
    "other code": (changed(code="0" * 64), "made with another code"),
    "other machine and version": (changed(hardware="cpu: none", torch="1.0"), "another hardware, another torch"),
    "other format": (changed(format="0"), "made with another format"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_another_one_is_left_aside_with_a_note_and_the_run_starts_anew(
    what: str,
    begun: tuple[RunSpec, Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    spec, path = begun
    spoil, reason = FOREIGN[what]
    spoil(path)
    trained, found = epochs_of(spec, path)
    assert trained == [1, 2, 3]
    assert found == content(fit(spec))
    [note] = capsys.readouterr().err.splitlines()
    assert note.startswith(f"mtlbench: The checkpoint of run {spec.run_id} is left aside, and the run starts anew: ")
    assert reason in note
    assert not (tmp_path / "harmed").exists()


def test_the_code_of_every_part_counts(tmp_path: Path) -> None:
    """A method that is edited between two attempts does not go on with the weights of its former self."""
    codes = []
    for number, more in enumerate(("", "\n")):
        plugin = tmp_path / f"edited{number}.py"
        plugin.write_text(PLUGIN.read_text().replace('@register("', f'@register("edited{number}_') + more)
        load_plugin(plugin)
        codes.append(module._hash_code(specify(f"edited{number}_dies")))
    assert len({module._hash_code(specify("hard")), *codes}) == 3
    plugin.write_text("")  # what was loaded is what counts
    assert module._hash_code(specify("edited1_dies")) == codes[1]


def reshape(found: dict[str, Any], name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Another tensor in the place of one of the weights."""
    for weights, _, _ in found["watch"]["selector"]["snapshots"].values():
        key = next(key for key in weights if key.endswith(name))
        weights[key] = change(weights[key])


def moments(found: dict[str, Any], change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Another tensor in the place of one that the optimiser remembers."""
    first = found["optimiser"]["state"][0]
    name = next(name for name, value in first.items() if value.dim())
    first[name] = change(first[name])


MISFITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "shape": (lambda found: reshape(found, "weight", lambda t: t[:1]), r"should be torch.float32 \[[0-9, ]+\], found"),
    "type": (lambda found: reshape(found, "weight", torch.Tensor.double), "should be torch.float32 .* torch.float64"),
    "no tensor": (lambda found: reshape(found, "weight", lambda t: 1), "should be torch.float32 .*, found no tensor"),
    "weights": (lambda found: found["watch"]["selector"]["snapshots"][1][0].popitem(), "it holds other weights"),
    "moments": (lambda found: moments(found, lambda t: t[:1]), "`optimiser, .*` should be torch.float32"),
    "moments of another type": (lambda found: moments(found, torch.Tensor.half), "found torch.float16"),
    "parameters": (lambda found: found["trainable"].pop(), "another number of parameters"),
    "epochs": (lambda found: found["watch"].update(train=[[0.0] * 3] * 7), "it holds 7 epochs of 3"),
    "updates": (lambda found: found["watch"].update(steps=torch.zeros(1)), "it holds 1 update in 1 epoch"),
    "curves": (lambda found: found["watch"].update(val=[]), "it holds other curves"),
    "generator": (lambda found: found.update(generator=torch.zeros(3, dtype=torch.uint8)), "RNG state"),
    "nothing": (lambda found: found.clear(), "watch"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISFITS)
def test_one_that_does_not_fit_is_left_aside_once(
    what: str, begun: tuple[RunSpec, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The file says that it is this run's, and holds something else: the run starts anew, to its own numbers."""
    spec, path = begun
    spoil, reason = MISFITS[what]
    found = torch.load(path, weights_only=True)
    spoil(found["members"][0])
    torch.save(found, path)
    trained, content_of_run = epochs_of(spec, path)
    assert trained == [1, 2, 3]
    [note] = capsys.readouterr().err.splitlines()
    assert re.search(f"is left aside, and the run starts anew: .*{reason}", note), note
    assert content_of_run == content(fit(spec))


def test_so_it_is_of_the_second_model_of_a_cell(tmp_path: Path) -> None:
    spec, path = specify(members="2"), tmp_path / "run.pt"
    checkpoint = Mortal(path, every=0)
    for _ in range(4):  # deaths: three epochs of the first model, one of the second
        with pytest.raises(Killed):
            fit(spec, checkpoint=checkpoint)
        checkpoint = Mortal(path, every=0)
    found = torch.load(path, weights_only=True)
    assert len(found["members"]) == 2
    found["members"][1]["trainable"].pop()
    torch.save(found, path)
    assert epochs_of(spec, path)[1] == content(fit(spec))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.rename(path.with_suffix(".other"))
    path.symlink_to(path.with_suffix(".other"))


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [pipe, folder, link, device])
def test_only_a_plain_file_is_opened(
    put: Callable[[Path], None], begun: tuple[RunSpec, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else stalls the run, and all but a folder is replaced by the next checkpoint."""
    spec, path = begun
    put(path)
    assert epochs_of(spec, path) == ([1, 2, 3], content(fit(spec)))
    [note] = capsys.readouterr().err.splitlines()
    assert "is left aside, and the run starts anew: `run.pt` should be a file. Found a " in note
    assert (path.is_dir(), path.is_symlink()) == (put is folder, False)


# --- when it is written, and when it goes -------------------------------------------------------


def test_it_is_written_so_often_and_costs_a_twentieth_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch takes 25 seconds and a write 10: the first is due after 60, the next 200 after its end."""
    now, written = [0.0], []

    def write(state: object, file: io.BytesIO) -> None:
        now[0] += 10
        written.append(now[0])

    monkeypatch.setattr(module, "TRAINING_PER_WRITE", 20)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(module.torch, "save", write)
    checkpoint = Checkpoint(tmp_path / "run.pt", every=60)
    checkpoint.open(specify())
    for _ in range(20):
        now[0] += 25
        checkpoint.keep(0, dict, over=False)
    assert written == [85, 295, 505]


def test_short_runs_write_none(tmp_path: Path) -> None:
    fit(specify(), checkpoint=Checkpoint(tmp_path / "folder" / "run.pt"))
    assert list(tmp_path.iterdir()) == []


def test_it_goes_when_the_record_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, store = specify(), Store(tmp_path)
    seen = []
    cell = StoredCell(tmp_path, Path(), checkpoint=0)
    assert cell(spec, lambda done, _: seen.append((done, store.checkpoint(spec).exists()))) == "done"
    assert seen == [(1, False), (2, True), (3, True)]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [store.path(spec)]
    assert not store.checkpoint(spec).parent.exists()
    monkeypatch.setattr("bench.training.fit.fit", None)
    assert cell(spec, lambda *_: None) == "stored"


@pytest.mark.parametrize(("method", "kept"), [("raises", True), ("turns_nan", False)])
def test_a_failure_that_would_come_again_ends_it(method: str, kept: bool, tmp_path: Path) -> None:
    """An error may be the machine's, and the next attempt goes on; numbers that are not finite are the run's own."""
    load_plugin(PLUGIN)
    path = tmp_path / "run.pt"
    record = fit(specify(method, steps_per_epoch="3"), checkpoint=Checkpoint(path, every=0))
    assert record.status == "failed"
    assert path.exists() == kept


def test_a_write_that_fails_is_noted_once_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    spec = specify()
    monkeypatch.setattr(module.torch, "save", full)
    found = fit(spec, checkpoint=Checkpoint(tmp_path / "run.pt", every=0))
    assert content(found) == content(fit(spec))
    [note] = capsys.readouterr().err.splitlines()
    assert "could not be written, and the run goes on without: [Errno 28] No space left on device" in note
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_last_whole_one(
    small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights of one epoch fit, those of two do not."""
    root, spec = small_disk(64), specify()
    found = fit(spec, checkpoint=Checkpoint(root / "run.pt", every=0))
    assert content(found) == content(fit(spec))
    assert "No space left on device" in capsys.readouterr().err
    assert [path.name for path in root.iterdir()] == ["run.pt"]
    trained, again = epochs_of(spec, root / "run.pt")
    assert trained in ([2, 3], [3], [])
    assert again == content(found)
