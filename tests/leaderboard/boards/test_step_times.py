"""Which times tables show: those of a quiet measurement of updates of their kind, and never those of records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.records import ResultRecord
from leaderboard.boards import step_times
from leaderboard.boards.board import Board
from leaderboard.boards.step_times import read_step_times
from leaderboard.report.formats import format_table, write_ends, write_notes
from leaderboard.report.table import Table, tabulate
from leaderboard.store import StoreContents

Make = Callable[..., ResultRecord]
BOARD = Board(name="t", title="T", version=1, suite="toy", methods=["single_task", "hard", "late"], seeds="0-2")
SETTINGS = {"batch_size": 10, "optimiser": "sgd", "precision": "float32", "device": "cpu"}


@pytest.fixture
def show(make_record: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Table]:
    """`show(share=..., settings=...)` is the table of BOARD beside a file of step times with these."""
    monkeypatch.setattr(step_times, "STEP_TIMES", tmp_path)
    records = [make_record(method, seed) for method in BOARD.methods for seed in range(3)]

    def build(share: float = 0.99, **part: Any) -> Table:
        methods = {"single_task": (3.0, 1.0, 0.98, 1.02), "hard": (1.8, 0.6, 0.55, 0.65)}
        times = {m: dict(zip(("ms", "ratio", "low", "high"), values, strict=True)) for m, values in methods.items()}
        content = {
            "board": "t", "reference": "single_task", "machine": "cpu: X, 1 thread", "versions": {"torch": "2.8"},
            "created": "2026-01-31", "rounds": 9, "share": share,
            "suites": {"toy": {"settings": SETTINGS, "methods": times} | part},
        }  # fmt: skip
        (tmp_path / "t.json").write_text(json.dumps(content))
        return tabulate(BOARD, StoreContents(records))

    return build


def test_a_quiet_measurement_is_shown_with_its_source(show: Callable[..., Table]) -> None:
    table = show()
    at = table.ends.index("step time")
    assert [write_ends(table, line)[at] for line in table.lines] == ["1.00x [0.98, 1.02]", "0.60x [0.55, 0.65]", "—"]
    [note] = [note for note in write_notes(table) if note.startswith("step time")]
    assert "over that of `single_task`, the median of 9 rounds" in note
    assert "Measured on cpu: X, 1 thread, torch 2.8, 2026-01-31, with 99% of a processor" in note
    rows = json.loads(format_table(table, "json"))["statistics"]
    assert [row.get("step_time", {}).get("ms") for row in rows] == [3.0, 1.8, None]


@pytest.mark.parametrize("other", [{"share": 0.9}, {"settings": SETTINGS | {"batch_size": 20}}])
def test_a_busy_machine_and_updates_of_another_kind_are_not_shown(
    show: Callable[..., Table], other: dict[str, Any]
) -> None:
    table = show(**other)
    assert "step time" not in table.ends
    assert not any("step time" in note for note in write_notes(table))


def test_long_form_keeps_its_shape(show: Callable[..., Table]) -> None:
    assert format_table(show(), "csv") == format_table(show(share=0.1), "csv")


def test_no_file_is_no_time_and_a_malformed_one_a_sentence(tmp_path: Path) -> None:
    assert read_step_times("t", tmp_path) is None
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(UsageError, match=r"`t.json` should hold step times of a board\."):
        read_step_times("t", tmp_path)
    # A board of a suite has a record's text for its name.
    assert read_step_times(f"../{tmp_path.name}/t", tmp_path) is None
    assert read_step_times("t" * 5000 + "\0", tmp_path) is None
