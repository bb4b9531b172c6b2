"""`mb.load_results`: runs as a data frame, from a store, the clone or the copy in a package."""

import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

import mtlbench as mb
from bench.errors import DataMissing, UsageError
from bench.records import ResultRecord
from leaderboard.analysis.run_rows import RunRow
from leaderboard.boards.board import load_board
from leaderboard.report.table import tabulate
from leaderboard.store import Store, committed
from leaderboard.store.compact import write_compact

Records = list[ResultRecord]


@pytest.fixture
def store(tmp_path: Path, three_methods: Records) -> Path:
    """A store of thirteen runs on two tasks."""
    for record in three_methods:
        Store(tmp_path / "runs").write(record)
    return tmp_path / "runs"


def test_a_store_as_a_frame(store: Path) -> None:
    runs = mb.load_results(store)
    assert list(runs.columns) == list(RunRow._fields)
    assert runs.shape == (26, len(RunRow._fields))
    assert runs.attrs == {"source": f"`{store}`", "problems": []}
    hard = runs[runs.method == "hard"]
    assert hard[hard.task == "left"].sort_values("seed").value.tolist() == [94.0, 94.2, 93.9, 94.3, 93.6]
    # Of seed 3: errors of 4.7 and 10.3 per cent by single-task, a point and two more by `hard`.
    gains = hard[hard.seed == 3].gain.tolist()
    assert gains == pytest.approx([math.log(4.7 / 5.7), math.log(10.3 / 12.3)])


def test_a_part_of_a_store(store: Path) -> None:
    """Gains stay where the reference is not asked for."""
    whole, hard = mb.load_results(store, "toy"), mb.load_results(str(store), method="hard")
    expected = whole[whole.method == "hard"].reset_index(drop=True)
    pd.testing.assert_frame_equal(hard, expected)
    assert mb.load_results(store, "toy:size=1", ["hard", "cross_stitch@uniform"]).method.unique().tolist() == [
        "cross_stitch",
        "hard",
    ]
    assert len(mb.load_results(store, selection=None)) == 3 * len(whole)


def test_what_is_not_there_is_named(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`suite` should be one that runs are of. Found `tyo`; .*`toy`"):
        mb.load_results(store, "tyo")
    with pytest.raises(UsageError, match=r"`method` should be .* Found `hrad`; the nearest: `hard`"):
        mb.load_results(store, method="hrad")
    with pytest.raises(UsageError, match=r"`store` should be a folder of records. Found nothing at"):
        mb.load_results(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"`selection` should be `val`, `per_task` or `last`. Found `best`"):
        mb.load_results(store, selection="best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"`suite` should be a text. Found a list"):
        mb.load_results(store, ["toy"])  # type: ignore[arg-type]


def test_files_that_cannot_be_read_are_told(store: Path) -> None:
    next(store.rglob("*.json")).write_text("{}")
    runs = mb.load_results(store)
    assert len(runs) == 24
    assert "1 record skipped" in runs.attrs["problems"][0]


def test_runs_of_the_current_folder_are_never_guessed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    monkeypatch.setenv("MTLBENCH_STORE", str(store))
    runs = mb.load_results(suite="multimnist")
    assert runs.attrs["source"] == f"`{committed.COMMITTED}`"
    assert "toy" not in set(runs.suite)


def test_which_methods_beat_single_task_on_scenes() -> None:
    """One line of pandas; the means are the Δ log of the board of the same runs."""
    runs = mb.load_results(suite="scenes")
    gains = runs[runs.primary].groupby(["protocol", "method", "seed"]).gain.mean().groupby(["protocol", "method"])
    better = gains.min()[lambda least: least > 0].index
    assert {method for protocol, method in better if protocol == 1} == {
        *("cross_stitch", "hard", "hard:split=1", "hard:split=2", "hard:split=3", "hard_wide", "soft+l2"),
    }
    board = tabulate(load_board("scenes_1"), committed.read_results(suite="scenes")).results
    means = {row.method: row.mean for row in board.rows if row.metric == "delta_log" and row.role != "control"}
    assert gains.mean()[1].to_dict() == pytest.approx(means, abs=1e-13)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with the committed records of three suites."""
    root = tmp_path / "results"
    for name in ("_protocols", "_verified", "multimnist", "nyuv2", "scenes"):
        shutil.copytree(committed.COMMITTED / name, root / name)
    monkeypatch.setattr(committed, "COMMITTED", root)
    return root


def test_a_package_has_the_same_numbers(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames and boards from the compact copy are those of the clone, in every cell."""
    boards = [load_board(name) for name in ("multimnist_1", "scenes_1")]
    whole, contents = mb.load_results(selection=None), committed.read_results()
    tables = [tabulate(board, contents) for board in boards]
    copy = clone.parent / "results.jsonl.xz"
    assert write_compact(clone, copy) == len(contents.records)
    shutil.rmtree(clone)
    monkeypatch.setattr(committed, "COMPACT", copy)
    runs, packed = mb.load_results(selection=None), committed.read_results()
    assert "as the package has them" in runs.attrs["source"]
    whole.attrs = runs.attrs
    pd.testing.assert_frame_equal(runs, whole)
    for board, table in zip(boards, tables, strict=True):
        again = tabulate(board, packed)
        assert again.rows == table.rows
        assert [line.state for line in again.lines] == [line.state for line in table.lines]
    assert {line.state for table in tables for line in table.lines} != {""}
    scenes = runs[(runs.suite == "scenes") & (runs.selection == "val")].reset_index(drop=True)
    pd.testing.assert_frame_equal(mb.load_results(suite="scenes"), scenes)


def test_the_same_store_gives_the_same_copy(clone: Path) -> None:
    shutil.rmtree(clone / "nyuv2")
    shutil.rmtree(clone / "scenes")
    first, second = clone.parent / "a.xz", clone.parent / "folder" / "b.xz"
    write_compact(clone, first)
    write_compact(clone, second)
    assert first.read_bytes() == second.read_bytes()


def test_a_package_without_results_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committed, "COMMITTED", tmp_path / "results")
    with pytest.raises(DataMissing, match="they come with a clone of the repository"):
        mb.load_results()
