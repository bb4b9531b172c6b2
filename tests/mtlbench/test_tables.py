"""`mb.table`, `mb.compare` and `mb.plot`: the numbers of the command, as objects."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot

import mtlbench as mb
from bench.cli.main import main
from bench.errors import UsageError
from bench.records import ResultRecord
from leaderboard.store import Store


@pytest.fixture
def store(tmp_path: Path, three_methods: list[ResultRecord]) -> Iterator[Path]:
    """A store of thirteen runs on two tasks."""
    for record in three_methods:
        Store(tmp_path / "runs").write(record)
    yield tmp_path / "runs"
    pyplot.close("all")


def test_a_table_is_that_of_the_command(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = mb.table("toy", store)
    assert main(["table", "toy", "--store", str(store), "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    rows = board.frame()
    assert rows.columns.tolist() == list(content["rows"][0])
    numbers = dict.fromkeys(("mean", "ci_low", "ci_high"), float)
    pd.testing.assert_frame_equal(rows, pd.DataFrame(content["rows"]).astype(numbers), check_exact=True)
    for format in ("text", "md", "csv", "tex"):
        assert main(["table", "toy", "--store", str(store), "--format", format, "--metrics", "all"]) == 0
        assert capsys.readouterr().out == board.text(format) + "\n"
    assert str(board) == board.text()


def test_statistics_have_a_row_for_each_method(store: Path) -> None:
    found = mb.table("toy", store).statistics().set_index("method")
    assert found.index.tolist() == ["single_task", "cross_stitch", "hard"]
    assert found.contrasts_reference_verdict.to_dict() == {
        "single_task": pytest.approx(float("nan"), nan_ok=True),
        "cross_stitch": "better",
        "hard": "worse",
    }
    assert found.loc["hard", "delta_log"] == mb.compare("toy", "hard", store=store).estimate


def test_runs_under_settings_of_their_own(store: Path, make_record: Callable[..., ResultRecord]) -> None:
    for seed in range(2):
        Store(store).write(make_record("hard", seed, overrides={"lr": 0.5}, changed={"lr": 0.5}))
    board = mb.table("toy", store, where={"lr": 0.5})
    assert board.frame().method.unique().tolist() == ["hard"]
    assert "with lr=0.5" in board.text()
    with pytest.raises(UsageError, match=r"Found none with lr=0.25"):
        mb.table("toy", store, where={"lr": 0.25})
    with pytest.raises(UsageError, match="`where` should be given without"):
        mb.table("toy", store, where={"lr": 0.5}, controls=["wide"])


def test_what_is_not_there_is_named(store: Path) -> None:
    with pytest.raises(UsageError, match="no table or suite `tyo`"):
        mb.table("tyo", store)
    with pytest.raises(UsageError, match="no control `wd`"):
        mb.table("toy", store, controls=["wd"])
    with pytest.raises(UsageError, match="`b` should be a method of the board"):
        mb.compare("toy", "hard", "sotf", store)
    with pytest.raises(UsageError, match=r"`track` should be `default` or `tuned`. Found `best`"):
        mb.table("toy", store, track="best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"`where` should be settings, as `{'lr': 0.01}`. Found a str"):
        mb.table("toy", store, where="lr=0.1")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"`board` should be a text. Found a NoneType"):
        mb.compare(None, "hard")  # type: ignore[arg-type]


def test_a_comparison(store: Path) -> None:
    change = mb.compare(mb.table("toy", store), "hard")
    assert (change.a, change.b, change.verdict, change.family) == ("hard", "single_task", "worse", 2)
    assert change.interval.mean == change.estimate < 0 < change.adjusted_p < 0.05
    assert change.corrected.low < change.interval.low
    assert change.corrected.high < 0  # as the verdict says
    assert f"{change.corrected.low:+.3f}, {change.corrected.high:+.3f}" in str(change)
    assert change.p < change.adjusted_p < change.equivalent_p
    assert change.frame().task.tolist() == ["*", "left", "right"]
    assert change.frame().estimate[0] == pytest.approx(change.frame().estimate[1:].mean())
    assert str(change).startswith("On toy, hard is worse than single_task: Δ log -0.18")
    assert f"({-change.percent:.1f} % more error) over 5 paired seeds" in str(change)
    assert "<table>" in change._repr_html_()


def test_a_board_is_shown_in_a_notebook(store: Path) -> None:
    board = mb.table("toy", store)
    assert repr(board) == f"<board `toy` with 3 rows, from `{store}`; print it for the numbers>"
    assert board._repr_html_().count("<tr") == 4


def list_labels(axes: Any) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def test_figures(store: Path) -> None:
    axes = mb.plot("toy", store=store)
    assert mb.plot(mb.table("toy", store), ax=axes) is axes
    assert list_labels(mb.plot("toy", store=store)) == ["hard", "cross_stitch"]
    assert list_labels(mb.plot("toy", methods="hard", store=store)) == ["hard"]
    with pytest.raises(UsageError, match="Found `hrad`; the nearest: `hard`"):
        mb.plot("toy", methods=["hrad"], store=store)
    with pytest.raises(UsageError, match="`split` should be given with `over`"):
        mb.plot("toy", store=store, split="validation")
    with pytest.raises(UsageError, match="`change` should be given without `over`"):
        mb.plot("multidigits", "lr", change="delta_task")
    with pytest.raises(UsageError, match=r"`over` should be what runs of `toy` differ in. Found `lr`"):
        mb.plot("toy", "lr", store=store)
    with pytest.raises(UsageError, match=r"`over` should be what runs of `toy` differ in. Found `halflife`"):
        mb.plot("toy", "halflife", store=store)
    with pytest.raises(UsageError, match="`board` should be a name where `over` is given"):
        mb.plot(mb.table("toy", store), "lr")
    with pytest.raises(UsageError, match=r"`methods` should be ones with such runs. Found `hrad`; the nearest: `hard`"):
        mb.plot("multidigits", "lr", ["hrad"])


def test_a_board_of_several_suites_is_drawn_suite_by_suite() -> None:
    board = mb.table("worth") if len(mb.table("worth").parts) > 1 else mb.table("linear_synthetic")
    assert len(board.parts) > 1
    with pytest.raises(UsageError, match="`board` should be of one suite"):
        mb.plot(board)
    assert isinstance(board.frame(), pd.DataFrame)
    assert board.frame().suite.nunique() == len({part.board.suite for part in board.parts})
