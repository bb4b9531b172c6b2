"""A kind of metric stands in one place; a plug-in brings its own, and records of a kind that nobody knows are named."""

import math
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue.plugin_files import load_plugin
from bench.cli.main import main
from bench.errors import UsageError
from bench.planning.plan import plan
from bench.scores import KINDS, Kind, Metric, primary_error, register_kind, score, score_tasks
from leaderboard.boards.board import board_of_suite
from leaderboard.report.table import tabulate
from leaderboard.site.figures.run import plot_curves
from leaderboard.store import Store
from leaderboard.trust.consistency import count_labels, find_inconsistencies

PLUGIN = Path(__file__).parents[1] / "plugins" / "absolute.py"


def kind_of(**changed: Any) -> Kind:
    """The share of `wrong` in `count`."""
    usual: dict[str, Any] = {
        "metrics": (Metric("share", False),),
        "compute": lambda state: {"share": state["wrong"] / state["count"]},
        "error": lambda state: state["wrong"] / state["count"],
    }
    return Kind(**(usual | changed))


def test_a_kind_is_registered_once_and_stays() -> None:
    before = KINDS["regression"]
    with pytest.raises(ValueError, match=r"`regression` is registered already, by bench\.scores; choose"):
        register_kind("regression", kind_of())
    with pytest.raises(ValueError, match="should stay"):
        del KINDS["regression"]
    assert KINDS.setdefault("regression", kind_of()) is before
    assert KINDS["regression"] is before
    with pytest.raises(ValueError, match="metrics of different names"):
        register_kind("nothing", kind_of(metrics=()))
    assert "nothing" not in KINDS


@pytest.mark.parametrize(
    ("changed", "state", "words"),
    [
        ({}, {"wrong": 1, "count": 0}, "should be those of `share`. Found ZeroDivisionError: division by zero."),
        ({}, {"wrong": "1", "count": 2}, "should be those of `share`. Found TypeError"),
        ({}, {"wrong": 1}, "should be those of `share`. Found KeyError: 'count'."),
        ({"keys": {"wrong", "count"}}, {"wrong": 1}, "The statistics of `share` should hold `count`."),
    ],
)
def test_statistics_that_a_kind_cannot_take_are_a_sentence(
    changed: dict[str, Any], state: dict[str, Any], words: str
) -> None:
    register_kind("share", kind_of(**changed))
    for function in (score, primary_error):
        with pytest.raises(ValueError, match="statistics") as error:
            function("share", state)
        assert words in str(error.value)


def test_a_kind_that_computes_other_metrics_than_it_names_is_a_sentence() -> None:
    register_kind("share", kind_of(metrics=(Metric("part", False),)))
    with pytest.raises(ValueError, match=r"`share` should compute \['part'\]. Found \['share'\]"):
        score("share", {"wrong": 1, "count": 2})


def test_what_cannot_be_scored_is_named_with_task_and_split() -> None:
    states = {"one": {"count": 4, "squared_error": 9.0}, "two": {"count": 0, "squared_error": 0.0}}
    kinds = dict.fromkeys(states, "regression")
    assert score_tasks(kinds, {"one": states["one"]}, "val") == {"one": {"rmse": 1.5}}
    with pytest.raises(ValueError, match=r"What `two` has in `val` should give a score\. Found: `count` should"):
        score_tasks(kinds, states, "val")


def test_runs_of_a_kind_of_ones_own_have_a_table_a_page_and_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin, store = ["--plugin", str(PLUGIN)], str(tmp_path / "store")
    assert main(["run", "absolute", "hard", "--seeds", "0-1", "--store", store, "--jobs", "1", *plugin]) == 0
    capsys.readouterr()
    assert main(["verify", store, *plugin]) == 0
    assert capsys.readouterr().out == "2 records valid, 0 not.\n"

    contents = Store(Path(store)).read()
    first = contents.records[0]
    state = first.statistics["val"]["task00"]
    assert first.scores["val"]["task00"] == {"mae": state["absolute_error"] / state["count"]}
    assert count_labels(first, "val") == {task: [first.spec.protocol.splits["test"]] for task in first.tasks}
    own = [row for row in tabulate(board_of_suite("absolute", contents.records), contents).rows if row.metric == "mae"]
    means = [sum(run.scores["val"][task]["mae"] for run in contents.records) / 2 for task in first.tasks]
    assert [row.mean for row in own] == [pytest.approx(mean) for mean in means]
    assert not any(row.higher_is_better for row in own)
    curves = plot_curves(first)
    assert curves is not None
    assert curves.panels is not None
    assert "validation mae, s" in curves.panels.titles

    # Without the plug-in: one sentence for each record, and no reader fails.
    monkeypatch.delitem(KINDS.data, "absolute")
    left = Store(Path(store)).read()
    assert left.records == []
    sentence = "metrics: The kind of metric `absolute`, of `task00`, `task01`, should be registered; "
    assert [problem.reasons[0].startswith(sentence) for problem in left.problems] == [True, True]
    assert all("`--plugin`" in reason for problem in left.problems for reason in problem.reasons)
    assert [len(problem.reasons) for problem in left.problems] == [1, 1]
    assert main(["verify", store]) == 1
    assert "0 records valid, 2 not." in capsys.readouterr().out
    for form in ("text", "csv"):
        assert main(["table", "absolute", "--store", store, "--format", form]) == 2
        err = capsys.readouterr().err
        assert err.count(sentence) == err.count("2 records skipped: ") == 1
        assert ".." not in err
    assert main(["site", "--store", store, "--out", str(tmp_path / "pages")]) == 0
    assert capsys.readouterr().err.count(sentence) == 1


def test_what_a_kind_says_of_its_statistics_is_held_against_records(tmp_path: Path) -> None:
    """Other keys, curves out of range, contradictions and an epoch that validation did not choose are named."""
    load_plugin(PLUGIN)
    store = Store(tmp_path / "store")
    assert main(["run", "absolute", "hard", "--store", str(store.root), "--jobs", "1", "--plugin", str(PLUGIN)]) == 0
    [record] = store.read().records
    assert list(find_inconsistencies(record)) == []
    state = record.statistics["val"]["task00"]
    path = list(record.curves.val["task00"]["mae"])
    path[0] = -1.0
    curves = record.curves.model_copy(update={"val": {**record.curves.val, "task00": {"mae": path}}})
    strange = {**record.statistics["val"], "task00": {**state, "absolute_error": -1.0, "more": 1}}
    lie = record.model_copy(
        update={"curves": curves, "statistics": {**record.statistics, "val": strange}, "selection": record.selection}
    )
    found = "\n".join(find_inconsistencies(lie))
    assert "statistics.val.task00: should not have `more`" in found
    assert "statistics.val.task00: `absolute_error` should not be odd" in found
    assert "curves.val.task00.mae: should lie in its range" in found
    assert "selection.per_task.task00: validation is best at epoch 1" in found


def test_a_suite_of_an_unknown_kind_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    load_plugin(PLUGIN)
    monkeypatch.delitem(KINDS.data, "absolute")
    with pytest.raises(UsageError, match="The kind of metric `absolute`, of `task00`, `task01`, should be registered"):
        plan("absolute", ["hard"], [0])


def test_percentages_lie_between_0_and_100() -> None:
    for name, kind in KINDS.items():
        for metric in kind.metrics:
            assert metric.high == (100.0 if metric.unit == "%" else math.inf), (name, metric)
            assert metric.low == (-math.inf if metric.name == "explained_variance" else 0.0), (name, metric)
