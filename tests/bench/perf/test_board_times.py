"""Step times of a board: measured by one command, in a file that its tables read."""

from pathlib import Path

import pytest

from bench.cli.main import main
from bench.perf import harness
from bench.perf.board_times import UpdateTime
from bench.planning.plan import parse_suite
from leaderboard.boards import board as boards
from leaderboard.boards.board import Board
from leaderboard.boards.step_times import read_step_times, settings_of_updates

SUITE = "synthetic:tasks=2"
BOARD = Board(name="toy", title="T", version=1, suite=SUITE, methods=["single_task", "hard"], seeds="0-4")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "load_board", lambda name: BOARD)
    monkeypatch.setitem(harness.BLOCK_UPDATES, "synthetic", 12)


@pytest.mark.usefixtures("toy")
def test_every_method_stands_beside_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["perf", "--board", "toy", "--out", str(tmp_path / "new"), "--rounds", "2"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'new' / 'toy.json'}\n"
    found = read_step_times("toy", tmp_path / "new")
    assert found is not None
    assert (found.board, found.reference, found.rounds) == ("toy", "single_task", 2)
    assert found.machine.startswith("cpu: ")
    assert {"torch", "mtlbench", "python"} <= found.versions.keys()
    assert 0 < found.share < 1.5
    part = found.suites[SUITE]
    assert list(part.methods) == ["single_task", "hard"]
    assert part.settings == settings_of_updates(parse_suite(SUITE)[1].protocol)
    assert all(0 < each.low <= each.ratio <= each.high and each.ms > 0 for each in part.methods.values())


@pytest.mark.usefixtures("toy")
def test_a_busy_machine_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two methods whose rounds had 1 of 4 seconds, and 2 of 4: three eighths of a processor."""
    rows = [UpdateTime(m, 2.0, 1.0, 1.0, 1.0, seconds, 4.0) for m, seconds in (("single_task", 1.0), ("hard", 2.0))]
    monkeypatch.setattr("bench.perf.board_times.time_methods", lambda *arguments: rows)
    assert main(["perf", "--board", "toy", "--out", str(tmp_path)]) == 0
    assert "the measurement had 38% of a processor" in capsys.readouterr().err
    found = read_step_times("toy", tmp_path)
    assert found is not None
    assert not found.quiet


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--board", "school"], "Updates of `school` are not timed, so that `school` has no step times."),
        (["--board", "scolh"], "There is no table `scolh`; the nearest: `school`"),
        (["--board", "school", "--all"], "Give methods or `--all`, `--all-methods`, `--effects` or `--board`"),
        (["--board", "school", "--suite", "scenes"], "`--board` should be given without `--suite`"),
        (["hard", "--out", "somewhere"], "`--out` should be given with `--board`"),
        (["--board", "school", "--linear"], "`--linear` times the solver"),
    ],
)
def test_wrong_arguments(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["perf", *arguments]) == 2
    assert sentence in capsys.readouterr().err
