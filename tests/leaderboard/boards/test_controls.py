"""Controls: which runs make a row, and which of their tasks count in it."""

from collections.abc import Callable

import pytest

from bench.catalogue.method import Method
from bench.cli.main import main
from bench.errors import UsageError
from bench.execution.controls import plan_controls
from bench.records import ResultRecord
from leaderboard.boards.board import Board, board_of_suite
from leaderboard.boards.controls import CONTROLS, ControlRow, ControlSubject, control_rows
from leaderboard.boards.record_selection import select_records

Make = Callable[..., ResultRecord]
TASKS = ["left", "right"]


def board(*controls: str, methods: tuple[str, ...] = ("single_task", "hard")) -> Board:
    return Board(
        name="t", title="T", version=1, suite="toy", methods=list(methods), seeds="0-1", controls=list(controls)
    )


def parts(control: str, tasks: int) -> list[tuple[str, list[dict[str, str]], list[str | None]]]:
    """(method, settings of each part, task that counts in it) of every row."""
    names = [f"t{number}" for number in range(1, tasks + 1)]
    rows = control_rows([control], ControlSubject(names, epochs=10, lr=0.002))
    return [(row.method, [dict(part.settings) for part in row.parts], [p.counts for p in row.parts]) for row in rows]


def test_what_runs_for_two_tasks() -> None:
    both: list[str | None] = ["t1", "t2"]
    assert parts("wide", 2) == [("hard_wide", [{}], [None])]
    assert parts("narrow", 2) == [("single_task_narrow", [{}], [None])]
    assert parts("ensemble", 2) == [("hard", [{"members": "2"}], [None])]
    assert parts("long", 2) == [("hard", [{"epochs": "20"}], [None])]
    assert parts("trunk_rate", 2) == [("hard", [{"trunk_lr": rate}], [None]) for rate in ("0.5", "2.0")]
    assert parts("shuffled", 2) == [("hard", [{"shuffled": "t2"}, {"shuffled": "t1"}], both)]
    assert parts("replica", 2) == [("hard", [{"replica": "t1"}, {"replica": "t2"}], both)]
    assert parts("own_gain", 2) == [("cross_stitch:cross=0", [{}], [None])]


def test_levers_are_pulled_on_separate_models_too() -> None:
    assert parts("single_wide", 2) == [("single_task_wide", [{}], [None])]
    assert parts("single_ensemble", 2) == [("single_task", [{"members": "2"}], [None])]
    assert parts("single_long", 3) == [("single_task", [{"epochs": "30"}], [None])]
    assert parts("rate", 2) == [
        (method, [{"lr": rate}], [None]) for method in ("hard", "single_task") for rate in ("0.001", "0.004")
    ]


def test_information_is_controlled_at_faster_trunks() -> None:
    """At the plain rate, which rows of their own have, at sqrt(T), and at T."""
    counts: list[str | None] = ["t1", "t2", "t3", "t4"]
    assert parts("trunk_rates", 4) == [("hard", [{"trunk_lr": rate}], [None]) for rate in ("2.0", "4.0")]
    for name, setting in (("shuffled_rates", "shuffled"), ("replica_rates", "replica")):
        [(_, plain, _)] = parts(setting, 4)
        assert parts(name, 4) == [
            ("hard", [part | {"trunk_lr": rate} for part in plain], counts) for rate in ("2.0", "4.0")
        ]
    # T times the rate is a row of `trunk_rate` already, and is one row of both.
    both = control_rows(["trunk_rate", "trunk_rates"], ControlSubject(["a", "b"], 10, 0.1))
    assert [row.label for row in both] == [f"hard, trunk rate x {name}" for name in ("1/2", "2", "sqrt(2)")]


def test_twins_are_of_the_methods_of_a_board() -> None:
    methods = ["single_task", "cross_stitch", "cross_stitch:as=mtan", "hard", "hard@pcgrad", "soft+l2", "soft+l21"]
    labels = {"cross_stitch:as=mtan": "one sum"}
    rows = control_rows(["twin"], ControlSubject(TASKS, 10, 0.1, methods, labels))
    assert rows == [
        ControlRow("cross_stitch:muted=1", "cross_stitch, muted"),
        ControlRow("cross_stitch:as=mtan,muted=1", "one sum, muted"),
        ControlRow("single_task_narrow", "single-task, as small as hard"),
        ControlRow("single_task", "single_task"),
    ]


def test_what_runs_for_five_tasks() -> None:
    [(_, settings, counts)] = parts("shuffled", 5)
    assert counts == ["t1", "t2", "t3", "t4", "t5"]
    assert settings[2] == {"shuffled": "t1/t2/t4/t5"}
    assert parts("ensemble", 5) == [("hard", [{"members": "5"}], [None])]
    assert parts("trunk_rate", 5)[0][1] == [{"trunk_lr": "0.2"}]


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_static_weights_are_a_grid_with_mean_one(tasks: int) -> None:
    rows = parts("static", tasks)
    assert len(rows) == 2 * tasks
    ratios = set()
    for method, _, _ in rows:
        weights = [float(weight) for weight in method.removeprefix("hard@static:weights=").split("/")]
        assert sum(weights) / tasks == pytest.approx(1, abs=1e-5)
        ratios.add((weights.index(max(weights)), round(max(weights) / min(weights), 3)))
    assert ratios == {(task, factor) for task in range(tasks) for factor in (2, 4)}


def test_an_unknown_control_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="There is no control `narow`; the nearest: `narrow`"):
        control_rows(["narow"], ControlSubject(TASKS, 3, 0.1))


def test_every_control_has_rows_on_a_suite_and_all_plans_each_run_once() -> None:
    specs = plan_controls("multidigits", ["all", "long"], [0, 1])
    assert len({spec.run_id for spec in specs}) == len(specs)
    for name in CONTROLS:
        assert {spec.run_id for spec in plan_controls("multidigits", [name], [0, 1])} <= {s.run_id for s in specs}


def test_twins_are_planned_for_the_methods_beside_them(capsys: pytest.CaptureFixture[str]) -> None:
    suite = "synthetic:tasks=3"
    methods = ["mmoe", "mmoe:experts=1", "soft+l2:halflife=10"]
    specs = plan_controls(suite, ["twin"], [0], methods=methods)
    assert [Method.parse(spec.method).short for spec in specs] == ["mmoe:muted=1", "single_task"]
    assert "Control `twin` is left out for `mmoe:experts=1,muted=1`: " in capsys.readouterr().err
    with pytest.raises(UsageError, match="should be run beside a method that has a twin"):
        plan_controls(suite, ["twin"], [0], methods=["single_task"])


def test_without_methods_twins_are_those_of_all_that_fit() -> None:
    specs = plan_controls("multidigits", ["twin"], [0])
    muted = {Method.parse(spec.method).sharing.entry.name for spec in specs if "muted=1" in spec.method}
    assert muted == {"adatt", "cgc", "cross_stitch", "dselect_k", "mmoe", "nddr", "ple", "sluice"}


def test_controls_need_two_tasks() -> None:
    with pytest.raises(UsageError, match="two tasks or more"):
        plan_controls("synthetic:tasks=1", ["long"], [0])


def test_all_leaves_out_what_a_suite_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    suite = "synthetic:inputs=own,tasks=3"
    settings = [set(spec.overrides) for spec in plan_controls(suite, ["all"], [0])]
    assert {"shuffled"} in settings
    assert {"replica"} not in settings
    assert (
        "Control `replica` is left out: `replica` should be used on a suite whose tasks share"
        in capsys.readouterr().err
    )
    with pytest.raises(UsageError, match="share their inputs"):
        plan_controls(suite, ["replica"], [0])


def test_a_table_refuses_an_unknown_control_before_it_reads_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "multidigits", "--store", "nowhere", "--control", "narow"]) == 2
    assert "There is no control `narow`" in capsys.readouterr().err


# --- the rows of a table -----------------------------------------------------------------------

PLAIN = {"left": 90.0, "right": 80.0}


def replicas_of(make_record: Make, task: str, value: float, seed: int = 0, **more: object) -> ResultRecord:
    """A run in which `task` stands in the place of both."""
    settings = {"replica": task}
    values = {task: value, f"{task}_2": 1.0}
    return make_record("hard", seed, values, overrides=settings, changed=settings, **more)


def plain(make_record: Make) -> list[ResultRecord]:
    return [make_record(method, seed, PLAIN) for method in ("single_task", "hard") for seed in (0, 1)]


def shuffled(make_record: Make, task: str, left: float, right: float, seed: int = 0, **more: object) -> ResultRecord:
    settings = {"shuffled": task}
    values = {"left": left, "right": right}
    return make_record("hard", seed, values, overrides=settings, changed={"shuffled": [task]}, **more)


def test_each_task_of_a_row_comes_from_its_own_run(make_record: Make) -> None:
    runs = [shuffled(make_record, "right", 91.0, 10.0), shuffled(make_record, "left", 11.0, 81.0)]
    chosen = select_records(board("shuffled"), [*plain(make_record), *runs])
    [key] = set(chosen.board.methods) - {"single_task", "hard"}
    assert chosen.board.labels[key] == "control: hard, other tasks shuffled"
    assert {task: value["accuracy"] for task, value in chosen.records[key, 0].scores["val"].items()} == {
        "left": 91.0,
        "right": 81.0,
    }
    assert (key, 1) not in chosen.records  # nothing ran with that seed


def test_replicas_count_for_the_task_they_copy(make_record: Make) -> None:
    runs = [replicas_of(make_record, task, value) for task, value in (("left", 88.0), ("right", 77.0))]
    chosen = select_records(board("replica"), [*plain(make_record), *runs])
    record = chosen.records[chosen.board.methods[-1], 0]
    assert record.tasks == TASKS
    assert {task: value["accuracy"] for task, value in record.scores["last"].items()} == {"left": 88.0, "right": 77.0}


def test_a_row_with_a_part_missing_is_not_there(make_record: Make) -> None:
    runs = [shuffled(make_record, "right", 91.0, 10.0)]
    chosen = select_records(board("shuffled"), [*plain(make_record), *runs])
    assert {method for method, _ in chosen.records} == {"single_task", "hard"}
    assert len(chosen.board.methods) == 3  # named, without numbers


@pytest.mark.parametrize(
    "other",
    [{"data": "e" * 8}, {"version": 2}, {"versions": {"suite/toy": 2, "sharing/x": 1}}],
    ids=["data", "protocol", "suite"],
)
def test_runs_on_other_data_or_versions_are_left_out(make_record: Make, other: dict[str, object]) -> None:
    runs = [
        shuffled(make_record, "right", 91.0, 10.0, **other),  # type: ignore[arg-type]
        shuffled(make_record, "left", 11.0, 81.0),
    ]
    chosen = select_records(board("shuffled"), [*plain(make_record), *runs])
    assert {method for method, _ in chosen.records} == {"single_task", "hard"}


def test_a_run_with_more_changed_than_the_control_changes_is_another_run(make_record: Make) -> None:
    both = {"epochs": "6", "lr": "0.2"}
    changed = make_record("hard", 0, PLAIN, overrides=both, changed={"epochs": 6, "lr": 0.2})
    chosen = select_records(board("long"), [*plain(make_record), changed])
    assert {method for method, _ in chosen.records} == {"single_task", "hard"}
    assert any("with overrides" in note for note in chosen.notes)


def test_a_run_for_another_question_leaves_a_board_as_it_is(make_record: Make) -> None:
    """Of a newer version of the method, with fewer labels: it is counted below the table, and changes none of it."""
    runs = [shuffled(make_record, "right", 91.0, 10.0), shuffled(make_record, "left", 11.0, 81.0)]
    newer = {"suite/toy": 1, "sharing/x": 2}
    other = make_record("hard", 0, PLAIN, overrides={"labels": 0.3}, changed={"labels": 0.3}, versions=newer)
    alone = select_records(board("shuffled"), [*plain(make_record), *runs])
    beside = select_records(board("shuffled"), [*plain(make_record), *runs, other])
    assert len(beside.records) == 5
    assert beside.records == alone.records
    assert beside.board == alone.board
    assert [note for note in beside.notes if note not in alone.notes] == [
        "1 record left out: with overrides (`--set`, `--control`)."
    ]


def test_a_twin_stands_below_the_methods_as_a_control(make_record: Make) -> None:
    runs = [make_record(method, 0, PLAIN) for method in ("cross_stitch", "cross_stitch:muted=1")]
    chosen = select_records(board("twin", methods=("single_task", "cross_stitch")), [*plain(make_record), *runs])
    assert chosen.board.methods == ["single_task", "cross_stitch", "cross_stitch:muted=1"]
    assert chosen.board.labels["cross_stitch:muted=1"] == "control: cross_stitch, muted"
    assert chosen.roles["cross_stitch:muted=1"] == "control"
    assert chosen.records["cross_stitch:muted=1", 0] == runs[1]


def test_on_a_board_of_everything_twins_are_controls(make_record: Make) -> None:
    methods = ["hard", "nddr:muted=1", "sluice", "sluice:muted=1"]
    chosen = board_of_suite("toy", [make_record(method, 0, PLAIN) for method in methods])
    assert chosen.methods == ["hard", "nddr:muted=1", "sluice"]  # one is a method, where nothing is its original
    assert chosen.controls == ["muted"]
    subject = ControlSubject(TASKS, 10, 0.1, chosen.methods)
    assert control_rows(["muted"], subject) == [ControlRow("sluice:muted=1", "sluice, muted")]


def test_a_faster_rate_of_separate_models_is_a_row(make_record: Make) -> None:
    records = plain(make_record)
    rate = records[0].spec.protocol.lr * 2
    faster = make_record("single_task", 0, PLAIN, overrides={"lr": str(rate)}, changed={"lr": rate})
    chosen = select_records(board("rate"), [*records, faster])
    assert chosen.records["single-task, learning rate x 2", 0] == faster
    assert chosen.roles["single-task, learning rate x 2"] == "control"


def test_runs_of_controls_are_not_reported_as_left_out(make_record: Make) -> None:
    longer = make_record("hard", 0, PLAIN, overrides={"epochs": "6"}, changed={"epochs": 6})
    records = [*plain(make_record), longer]
    assert select_records(board(), records) == select_records(board(), plain(make_record))
    chosen = select_records(board("long"), records)
    assert chosen.notes == []
    assert chosen.records[chosen.board.methods[-1], 0] == longer


def test_a_control_that_is_a_method_of_the_board_is_one_row(make_record: Make) -> None:
    records = [*plain(make_record), make_record("hard_wide", 0, PLAIN)]
    chosen = select_records(board("wide", methods=("single_task", "hard", "hard_wide")), records)
    assert chosen.board.methods == ["single_task", "hard", "hard_wide"]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_control_is_of_the_newest_version_of_its_method(make_record: Make, turn: int) -> None:
    settings = {"members": "2"}
    of = {
        version: make_record(
            "hard",
            values=PLAIN | {"left": 90.0 + version},
            overrides=settings,
            changed={"members": 2},
            versions={"suite/toy": 1, "sharing/x": version},
        )
        for version in (1, 2)
    }
    runs = [*plain(make_record), of[1], of[2]][::turn]
    chosen = select_records(board("ensemble"), runs)
    assert chosen.records["hard, 2 averaged", 0].run_id == of[2].run_id
