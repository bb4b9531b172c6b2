"""Cells as Slurm jobs, through Slurm's commands: arrays, pre-emption, lost jobs, a stop."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.engines import Ended, Event, Progressed
from bench.engines.slurm import Slurm
from bench.engines.taking import Job, Work, make_private
from bench.records import RunSpec
from tests.bench.engines import fake_slurm
from tests.bench.engines.slow import Slow, Unreadable
from tests.bench.execution.tables import METHODS, TINY, cell, table, tiny

ROOT = Path(__file__).parents[3]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the Slurm of this test, whose commands are on the path, keeps what it knows."""
    binaries = fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("bench.engines.slurm.PAUSE", 0.2)
    monkeypatch.setattr("bench.engines.slurm.ASK_SECONDS", 0.5)
    return tmp_path / "slurm" / "state"


@pytest.fixture
def word(tmp_path: Path) -> Path:
    """Where slow cells leave word."""
    (tmp_path / "word").mkdir()
    return tmp_path / "word"


def lives(word: Path, spec: RunSpec) -> list[str]:
    """The jobs in which a cell ran, its first life first."""
    return [path.name.split(".")[2] for path in sorted(word.glob(f"{spec.run_id}.*"))]


def until(what: Callable[[], object]) -> None:
    """Wait for something to be true."""
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told(events: Iterator[Event], disturb: Callable[[], None]) -> dict[str, Ended]:
    """run id -> how it ended, each once; `disturb` is called before the first event is waited for."""
    disturb()
    ended: dict[str, Ended] = {}
    for event in events:
        if isinstance(event, Ended):
            assert event.spec.run_id not in ended
            ended[event.spec.run_id] = event
    return ended


ROOM = [  # options of sbatch, device, devices of a cell -> cells at a time in a job
    ({}, "cpu", 1, 1),
    ({"cpus-per-task": "8"}, "cpu", 1, 8),
    ({"cpus-per-task": "9"}, "cpu", 4, 2),
    ({"cpus-per-task": "2"}, "cpu", 4, 1),
    ({"cpus-per-task": "8"}, "cuda", 1, 1),
    ({"gres": "gpu:a100:4"}, "cuda", 1, 4),
    ({"gpus-per-node": "4"}, "cuda", 2, 2),
    ({"gres": "gpu"}, "cuda", 1, 1),
]


@pytest.mark.parametrize(("options", "device", "devices", "room"), ROOM)
def test_how_many_cells_a_job_has_room_for(options: dict[str, str], device: str, devices: int, room: int) -> None:
    protocol = tiny(seeds=1)[0].protocol.model_copy(update={"device": device, "devices": devices})
    specs = [spec.vary(protocol=protocol) for spec in tiny(seeds=20)]
    assert Slurm(Path("jobs"), None, options).width(specs) == min(16 * room, 80)
    assert Slurm(Path("jobs"), 3, options).width(specs) == 3


def test_a_table_as_an_array(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command line: two jobs for eight cells, which write their records themselves."""
    for spec in tiny(seeds=2):
        assert cell(tmp_path / "undisturbed")(spec, lambda *_: None) == "done"
    store = tmp_path / "store"
    words = ["run", "tiny", *METHODS, "--seeds", "0-1", "--plugin", str(TINY), "--device", "cpu", "--images", "1"]
    words += ["--engine", "slurm", "--jobs", "2", "--sbatch", "partition=short", "--sbatch", "time=30"]
    assert main([*words, "--store", str(store), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["done"] == 8
    assert "8/8 done" in err
    [script] = state.glob("*.sbatch")
    flags = set(re.findall(r"^#SBATCH (.*)$", script.read_text(), re.MULTILINE))
    assert {"--array=0-1%2", "--partition=short", "--time=30", "--cpus-per-task=1", "--signal=USR2@90"} <= flags
    assert table(store) == table(tmp_path / "undisturbed")
    assert not list(store.glob(".jobs*"))


def test_a_preempted_job_goes_on(state: Path, tmp_path: Path, word: Path) -> None:
    """It is told to stop, then warned, as Slurm does it; its cell runs again, ended ones do not."""
    specs = tiny(seeds=1)
    engine = Slurm(tmp_path / "jobs", jobs=1)
    events = engine.run_cells(specs, Slow(word, held=specs[2].run_id))
    assert isinstance(next(events), Progressed)
    before = [next(event for event in events if isinstance(event, Ended)).spec for _ in range(2)]
    assert before == specs[:2]

    def preempt() -> None:
        until(lambda: lives(word, specs[2]))
        for kind in (signal.SIGTERM, signal.SIGUSR2):
            os.killpg(int((state / "1_0.step").read_text()), kind)

    ended = told(events, preempt)
    assert {event.status for event in ended.values()} == {"done"}
    assert len(ended) == 2
    assert [lives(word, spec) for spec in specs] == [["1_0"], ["1_0"], ["1_0", "1_0"], ["1_0"]]
    assert len(list(state.glob("*.sbatch"))) == 1
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize("retries", [2, 0])
def test_a_lost_job_is_replaced(
    retries: int, state: Path, tmp_path: Path, word: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell it had is run again as often as is allowed; the others end as if nothing had been."""
    monkeypatch.setattr("bench.engines.slurm.RETRIES", retries)
    specs = tiny(seeds=1)
    events = Slurm(tmp_path / "jobs", jobs=1).run_cells(specs, Slow(word, held=specs[1].run_id))
    next(events)

    def lose() -> None:
        until(lambda: lives(word, specs[1]))
        (state / "1_0.ends_as").write_text("NODE_FAIL")
        os.killpg(int((state / "1_0.step").read_text()), signal.SIGKILL)

    ended = told(events, lose)
    assert len(ended) == 4
    if retries:
        assert {event.status for event in ended.values()} == {"done"}
        assert [lives(word, spec) for spec in specs] == [["1_0"], ["1_0", "2_0"], ["2_0"], ["2_0"]]
    else:
        lost = ended.pop(specs[1].run_id)
        assert lost.status == "failed"
        assert lost.error == "lost 1 times, the last time: job 1_0 ended as NODE_FAIL"
        assert {event.status for event in ended.values()} == {"done"}
        assert [lives(word, spec) for spec in specs] == [["1_0"], ["1_0"], ["2_0"], ["2_0"]]


def test_a_job_that_somebody_cancels_is_not_replaced(state: Path, tmp_path: Path, word: Path) -> None:
    specs = tiny(seeds=1)
    events = Slurm(tmp_path / "jobs", jobs=1).run_cells(specs, Slow(word, held=specs[1].run_id))
    next(events)

    def cancel() -> None:
        until(lambda: lives(word, specs[1]))
        subprocess.run(["scancel", "1_0"], check=True)

    ended = told(events, cancel)
    first, held, *others = (ended[spec.run_id] for spec in specs)
    assert first.status == "done"
    assert (held.status, held.error) == ("failed", "job 1_0 ended as CANCELLED by 0")
    assert all(f"{event.error}".endswith(held.error) for event in others)
    assert len(list(state.glob("*.sbatch"))) == 1


def test_jobs_that_cannot_begin_are_given_up(state: Path, tmp_path: Path, word: Path) -> None:
    """Three in a row that took no cell: the cells end as failed, with the last line of the last job."""
    specs = tiny(seeds=1)
    ended = told(Slurm(tmp_path / "jobs", jobs=1).run_cells(specs, Unreadable(word)), lambda: None)
    assert len(list(state.glob("*.sbatch"))) == 3
    assert {event.status for event in ended.values()} == {"failed"}
    assert {event.error for event in ended.values()} == {
        "no job is left to run it, the last one: job 3_0 ended as FAILED (RuntimeError: this node has no mtlbench)"
    }


def test_a_stop_cancels_every_job(state: Path, tmp_path: Path, word: Path) -> None:
    specs = tiny(seeds=2)
    events = Slurm(tmp_path / "jobs", jobs=2).run_cells(specs, Slow(word, held=specs[0].run_id))
    until(lambda: isinstance(next(events), Ended))
    until(lambda: lives(word, specs[0]))
    events.close()
    until(lambda: "RUNNING" not in {path.read_text() for path in state.glob("*.state")})
    assert "CANCELLED by 0" in {path.read_text() for path in state.glob("*.state")}
    assert not (tmp_path / "jobs").exists()


def test_jobs_on_this_machine(tmp_path: Path, word: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Slurm, `--address local`."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("bench.engines.slurm.PAUSE", 0.2)
    specs = tiny(seeds=1)
    ended = told(Slurm(tmp_path / "jobs", jobs=2, cluster="local").run_cells(specs, Slow(word)), lambda: None)
    assert {run_id: event.status for run_id, event in ended.items()} == {spec.run_id: "done" for spec in specs}
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "`sbatch` and `srun`.*`--address local`"),
        (["--address", "here"], "should be `local`.*Found `here`"),
        (["--sbatch", "partition"], "`--sbatch` should read key=value.*Found `partition`"),
        (["--sbatch", "array=0-9"], "`--sbatch array` is set by the engine"),
        (["--sbatch", "cpus-per-task=many"], "whole number of at least 1. Found `many`"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert main(["run", "tiny", "hard", "--plugin", str(TINY), "--store", str(store), "--engine", "slurm", *words]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err), err
    assert not store.exists()


# --- who may say what a job runs -----------------------------------------------------------------


def test_a_folder_of_others_is_refused(state: Path, tmp_path: Path, word: Path) -> None:
    """One that they can write to, and a link."""
    (tmp_path / "open").mkdir(mode=0o770)
    (tmp_path / "open").chmod(0o770)
    (tmp_path / "link").symlink_to(make_private(tmp_path / "private"))
    for name in ("open", "link"):
        with pytest.raises(PermissionError, match=f"`.*/{name}` should be a folder of yours that others can neither"):
            next(Slurm(tmp_path / name, jobs=1).run_cells(tiny(seeds=1), Slow(word)))
    assert not list(state.iterdir())


def test_work_that_was_changed_is_not_read(tmp_path: Path, word: Path) -> None:
    """The digest comes with the command of the job, not from the folder."""
    folder = make_private(tmp_path / "jobs")
    work = Work(Slow(word), tuple(tiny(seeds=1)), 1)
    digest = work.write(folder)
    assert Work.read(folder, digest) == work
    (folder / "work.json").write_text((folder / "work.json").read_text().replace("Slow", "Unreadable"))
    with pytest.raises(PermissionError, match="should be what the runner wrote"):
        Work.read(folder, digest)


def test_notes_that_are_none_are_passed_over(tmp_path: Path) -> None:
    [spec, *_] = tiny(seeds=1)
    notes = Job(tmp_path, "a").notes
    lines = ["[]", "3", "{", '{"run_id": ["x"]}', json.dumps({"run_id": spec.run_id, "status": "done", "more": 1})]
    notes.path.write_text("\n".join(lines) + "\n")
    notes.append(Ended(spec, "done"))
    assert list(notes.read_new({spec.run_id: spec})) == [Ended(spec, "done")]


def test_nothing_of_the_folder_is_a_pickle(state: Path, tmp_path: Path, word: Path) -> None:
    specs = tiny(seeds=1)
    events = Slurm(tmp_path / "jobs", jobs=1).run_cells(specs, Slow(word, held=specs[1].run_id))
    next(events)
    seen: set[str] = set()

    def look() -> None:
        until(lambda: lives(word, specs[1]))
        files = [path for path in (tmp_path / "jobs").rglob("*") if path.is_file()]
        seen.update(path.suffix for path in files)
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "jobs").glob("*")} == {0o700}
        subprocess.run(["scancel", "1_0"], check=True)

    told(events, look)
    assert seen == {".json", ".jsonl", ".log"}
