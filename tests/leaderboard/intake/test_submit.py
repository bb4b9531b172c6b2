"""`mtlbench submit`: from a file to a folder, in one go or in several, and what is wrong refused before it is run."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli.main import main
from bench.errors import UsageError
from bench.execution.execute import Execution
from bench.execution.judged_cell import JudgedCell
from bench.execution.plan_status import PlanStatus
from bench.execution.submission_plan import list_registered_methods
from leaderboard.boards.board import Board
from leaderboard.intake.manifest import checksum_bytes
from leaderboard.intake.source_card import Card
from leaderboard.store import Store
from tests.leaderboard.intake.toy import BOARDS, CODE, COMMITTED, build

EXAMPLE = Path(__file__).parents[3] / "examples" / "scale_and_bias.py"
Run = Callable[..., int]


class Runner:
    """Stands in for the processes that train: writes the runs it is asked for, up to `most` of them at a time."""

    def __init__(self) -> None:
        self.most, self.cells, self.devices, self.written = 100, list[JudgedCell](), list[str](), 0
        self.before: Callable[[], Any] = lambda: None
        self.changed: dict[str, Any] = {}

    def describe(self, source: object, suite: str, methods: list[str], limits: object) -> list[dict[str, Any]]:
        return [{"canonical": method, "short": method, "versions": {}} for method in methods]

    def plan(self, board: Board, described: object, seeds: list[int], device: str, *_: object) -> list[Any]:
        self.devices.append(device)
        return [build(seed, **self.changed).spec for seed in seeds]

    def execute(self, execution: Execution, outcome: PlanStatus) -> None:
        cell = execution.cell
        assert isinstance(cell, JudgedCell)
        self.cells.append(cell)
        self.before()
        left = self.most
        for spec in outcome.missing:
            if not left:
                raise KeyboardInterrupt
            Store(cell.store).write(build(spec.seed, **self.changed))
            outcome.status[spec.run_id] = "done"
            self.written, left = self.written + 1, left - 1


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """The board of two methods, its runs, and a file that passes."""
    store = Store(tmp_path / "board" / "results")
    for record in COMMITTED:
        store.write(record)
    (tmp_path / "mine.py").write_bytes(CODE)
    found = Runner()
    outcome = {"subject": "sharing/mine", "rule": "all", "passed": True, "advice": ""}
    monkeypatch.setattr("leaderboard.boards.board.boards", lambda: BOARDS)
    monkeypatch.setattr("leaderboard.store.committed.COMMITTED", store.root)
    monkeypatch.setattr("bench.cli.check.check_confined", lambda *others: [outcome])
    monkeypatch.setattr("bench.execution.judged_cell.describe_methods", found.describe)
    monkeypatch.setattr("bench.execution.judged_cell.plan_judged", found.plan)
    monkeypatch.setattr(Execution, "run_missing", lambda self, outcome: found.execute(self, outcome))
    monkeypatch.setenv("MTLBENCH_STORE", str(tmp_path / "runs"))
    return found


@pytest.fixture
def submit(tmp_path: Path) -> Run:
    def run(*more: str, out: str = "out/mine") -> int:
        return main(["submit", str(tmp_path / "mine.py"), "--suite", "toy", "--out", str(tmp_path / out), *more])

    return run


@pytest.mark.parametrize(
    ("kind", "method"), [("sharing", "mine"), ("constraint", "soft+mine"), ("weighting", "hard@mine")]
)
def test_what_a_file_registers_is_run_as_the_method_it_stands_for(kind, method):
    outcomes = [{"subject": subject} for subject in ("a file", "suite/mine", f"{kind}/other", f"{kind}/mine")]
    assert list_registered_methods(outcomes, [Card("mine", "", 1, "")]) == [method]


def test_what_is_made_is_a_sound_submission(tmp_path, runner, submit, capsys):
    assert submit("--authors", 'A. "B" C', "--note", "two\nlines") == 0
    out = tmp_path / "out" / "mine"
    assert sorted(path.name for path in out.iterdir()) == ["method.py", "results", "submission.toml"]
    assert (out / "method.py").read_bytes() == CODE
    assert not (tmp_path / "out" / "mine.partial").exists()
    captured = capsys.readouterr()
    assert 'Submission by A. "B" C: `mine` (Me).' in captured.out
    assert [line[:3] for line in captured.err.splitlines() if line[1:3] == "/4"] == ["1/4", "2/4", "3/4", "4/4"]
    assert main(["verify", str(out)]) == 0
    assert capsys.readouterr().out == "2 records valid, 0 not.\n"
    assert runner.devices == ["cpu"]  # as the board's other runs


def test_without_a_sandbox_a_store_that_was_changed_stops_the_submission(tmp_path, runner, submit, capsys, monkeypatch):
    monkeypatch.setenv("MTLBENCH_CONFINEMENT", "limits")
    runner.before = lambda: (tmp_path / "board" / "results" / "note").write_text("x")
    assert submit() == 1
    assert "It changed the store `results`" in capsys.readouterr().err
    assert not (tmp_path / "out" / "mine").exists()


def test_interrupted_it_goes_on_with_what_is_missing(tmp_path, runner, submit):
    runner.most = 1
    assert submit() == 130
    assert submit() == 0
    assert runner.written == 2
    assert len(list((tmp_path / "out" / "mine" / "results").iterdir())) == 2


def test_runs_of_another_text_do_not_count_for_this_one(tmp_path, runner, submit, capsys):
    runner.most = 1
    assert submit() == 130
    (tmp_path / "mine.py").write_bytes(CODE + b"# another idea\n")
    runner.most = 100
    assert submit() == 0
    assert runner.written == 1 + 2
    assert "another text of the file" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "out" / "mine")]) == 0


def test_what_is_checked_is_what_is_run_and_packed(tmp_path, runner, submit):
    """The file may be edited, or edit itself, while it is run."""

    def edit():
        (tmp_path / "mine.py").write_text("raise SystemExit")
        for file in (tmp_path / "out" / "mine.partial").glob("*.py"):
            file.write_text("raise SystemExit")

    runner.before = edit
    assert submit() == 0
    assert (tmp_path / "out" / "mine" / "method.py").read_bytes() == CODE


def test_two_at_once_do_not_meet(tmp_path, runner, submit, capsys):
    partial = tmp_path / "out" / "mine.partial"
    partial.mkdir(parents=True)
    with (partial / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert submit() == 1
    assert "Another `mtlbench submit` is at work" in capsys.readouterr().err
    assert runner.cells == []
    assert submit() == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--authors", "A\nB"], "authors: should be one line"),
        (["--authors", "x" * 3000], "authors: String should have at most 2000"),
        (["--note", "\x1b[2J"], "note: should be one line"),
        (["--method", "hard"], "`hard` stands on the board already"),
        (["--method", "soft+l2"], "should use a part that method.py registers"),
        (["--method", "mine", "--method", "mine"], "should name each method once"),
        (["--method", "mine+"], "should name a constraint after the `+`"),
        (["--suite", "tony"], "the nearest: `toy`"),
        (["--board", "toys"], "the nearest: `toy`"),
    ],
)
def test_what_cannot_become_sound_is_refused_before_anything_is_run(more, words, tmp_path, runner, submit, capsys):
    assert submit(*more) == 2
    assert words in capsys.readouterr().err
    assert runner.cells == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("out/Mine-1", "as in `mine_1`"),
        ("mine.py", "as in `mine_py`"),
        ("board", "should not be there yet"),
        ("link", "should not be there yet"),
        ("board/results/mine", "should lie outside of the store"),
        ("runs/mine", "should lie outside of the store"),
        ("x" * 80, "name: String should match pattern"),
    ],
)
def test_places_where_it_cannot_be(out, words, tmp_path, runner, submit, capsys):
    (tmp_path / "there").mkdir()
    os.symlink(tmp_path / "there", tmp_path / "link")
    assert submit(out="there" if out == "link" else out) == 2
    assert words in capsys.readouterr().err
    assert runner.cells == []


def test_a_place_that_cannot_be_written_is_named_at_once(tmp_path, runner, submit, capsys):
    (tmp_path / "file").touch()
    assert submit(out="file/mine") == 1
    assert "--out should lie where files can be written" in capsys.readouterr().err
    assert runner.cells == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (CODE.replace(b'"mine"', b'"hard"'), "`hard` should be a name of its own"),
        (b"x = 1\n", "should register a class"),
        (b"(", "should be a Python file"),
        (b"\xff", "should be a Python file"),
    ],
)
def test_files_that_cannot_be_submitted(code, words, tmp_path, runner, submit, capsys):
    (tmp_path / "mine.py").write_bytes(code)
    assert submit() == 2
    assert words in capsys.readouterr().err
    assert runner.cells == []


def test_a_suite_is_no_method_whatever_its_check_says(runner, submit, capsys, monkeypatch):
    outcomes = [{"subject": "suite/mape", "rule": "data", "passed": passed, "advice": ""} for passed in (True, False)]
    monkeypatch.setattr("bench.cli.check.check_confined", lambda *others: outcomes)
    assert submit() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(
        "mtlbench: `mine.py` should register a sharing, a constraint or a weighting. Found `suite/mape`; a suite is "
        "not submitted, but proposed as a folder of `suites/`.\n"
    )
    assert runner.cells == []


def test_runs_that_are_not_sound_are_not_submitted(tmp_path, runner, submit, capsys):
    runner.changed = {"changed": {"lr": 0.2}}
    assert submit() == 1
    captured = capsys.readouterr()
    assert "protocol: should be that of the board's other runs; another is lr" in captured.out
    assert "it stays in" in captured.err
    assert not (tmp_path / "out" / "mine").exists()


@pytest.mark.slow
def test_from_the_example_to_a_run_that_comes_out_again(tmp_path, monkeypatch, capsys):
    """With everything real but the size of the board."""
    suite = "synthetic:tasks=2,train=64"
    fields = {"title": "T", "version": 1, "suite": suite, "protocol": 1, "methods": ["hard"], "reference": "hard"}
    tiny = Board.model_validate({"name": "tiny", "seeds": "0-1", **fields})
    outcome = {"subject": "sharing/scale_and_bias", "rule": "all", "passed": True, "advice": ""}
    monkeypatch.setattr("leaderboard.boards.board.boards", lambda: {"tiny": tiny})
    (tmp_path / "board" / "results").mkdir(parents=True)  # a board without runs
    monkeypatch.setattr("leaderboard.store.committed.COMMITTED", tmp_path / "board" / "results")
    monkeypatch.setattr("bench.cli.check.check_confined", lambda *others: [outcome])
    monkeypatch.setenv("MTLBENCH_STORE", str(tmp_path / "runs"))
    out = tmp_path / "submissions" / "scale_and_bias"
    assert main(["submit", str(EXAMPLE), "--suite", suite, "--out", str(out), "--jobs", "1"]) == 0
    captured = capsys.readouterr()
    assert "2 planned: 0 were stored, 2 done, 0 failed, 0 to run." in captured.err
    assert main(["verify", str(out), "--rerun", "1", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["records"], content["valid"], content["problems"]) == (2, 2, [])
    assert [found["found"] for found in content["rerun"]] == ["equal digit for digit; the sealed test agrees"]


def test_a_submission_that_cannot_be_imported_again_fails_its_verification(tmp_path, capsys):
    """It is a finding about the submission, and no wrong argument of whoever verifies."""
    folder = Path(__file__).parents[3] / "leaderboard" / "submissions" / "scale_and_bias"
    copy = tmp_path / "scale_and_bias"
    shutil.copytree(folder, copy)
    code = (copy / "method.py").read_bytes() + b"\nraise ValueError('not today')\n"
    (copy / "method.py").write_bytes(code)
    manifest = (copy / "submission.toml").read_text()
    old = checksum_bytes((folder / "method.py").read_bytes())
    (copy / "submission.toml").write_text(manifest.replace(old, checksum_bytes(code)))
    assert main(["verify", str(copy), "--rerun", "1"]) == 1
    assert "the run failed: `method.py` should import without an error. Found ValueError: not today" in (
        capsys.readouterr().out
    )


def test_a_dry_run_plans_every_seed_and_leaves_nothing(tmp_path, runner, submit, capsys, monkeypatch):
    """The kind of a part is found by asking the file; nothing is checked, trained or written."""
    asked = []

    def describe(source, suite, methods, limits):
        asked.extend(methods)
        if methods == ["mine"]:
            raise UsageError("`mine` is no sharing.")
        return [{"canonical": method, "short": method, "versions": {}} for method in methods]

    monkeypatch.setattr("bench.execution.judged_cell.describe_methods", describe)
    monkeypatch.setattr("bench.cli.check.check_confined", lambda *others: pytest.fail("it was checked"))
    assert submit("--dry-run") == 0
    assert asked == ["mine", "soft+mine", "soft+mine"]  # the second kind fits, and is described for the plan
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split()[0] for line in lines] == ["planned", "planned", "estimate", "estimate"]
    assert "2 planned: 0 were stored, 0 done, 0 failed, 2 to run." in captured.err
    assert not (tmp_path / "out").exists()
    assert submit("--dry-run", "--method", "mine:rate=2", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_a_dry_run_counts_what_an_interrupted_submission_has_stored(tmp_path, runner, submit, capsys):
    runner.most = 1
    assert submit() == 130
    assert submit("--dry-run") == 0
    assert "2 planned: 1 were stored, 0 done, 0 failed, 1 to run." in capsys.readouterr().err


def test_quiet_prints_the_board_alone_and_all_metrics_where_asked(tmp_path, runner, submit, capsys):
    assert submit("--quiet", "--metrics", "all") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "Student t intervals" in captured.out
