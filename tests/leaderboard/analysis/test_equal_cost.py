"""Equal cost: what a run took, which run of the reference is the nearest, and what a table says of the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.cli.main import main
from bench.records import ResultRecord
from bench.records.record import Cost
from leaderboard.analysis.costs import cost_of_run, is_alike
from leaderboard.analysis.equal_cost import BUDGET_CONTROLS, CostRow, compare_at_cost
from leaderboard.analysis.results import Results, analyse
from leaderboard.analysis.statistics import interval
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import select_records
from leaderboard.report.equal_cost import write_at_cost
from leaderboard.report.table import build_table, tabulate
from leaderboard.store import Store, StoreContents

Make = Callable[..., ResultRecord]
SEEDS = 5
ERRORS = {"single_task": 10.0, "single_task_narrow": 14.0, "hard": 12.0, "cross_stitch": 9.0}
# Of the toy protocol: batches of 10, 3 epochs of 2 updates.
COSTS = {"single_task": (200, 1000), "single_task_narrow": (100, 520), "hard": (104, 500), "cross_stitch": (250, 1050)}


def cost(parameters: int, flops: int) -> Cost:
    return Cost(
        parameters=parameters, forward_flops=flops, step_ms=1.0, train_seconds=1.0, peak_memory_mb=1.0, hardware="cpu"
    )


def build(make: Make, name: str, error: float, size: tuple[int, int], **more: Any) -> list[ResultRecord]:
    """Five seeds with this error, and noise of their own."""
    noise = np.random.default_rng(len(name)).normal(0, 0.2, SEEDS)
    return [
        make(name, seed, {"left": 100 - error - noise[seed], "right": 100 - 2 * error}, cost=cost(*size), **more)
        for seed in range(SEEDS)
    ]


@pytest.fixture
def records(make_record: Make) -> list[ResultRecord]:
    """`hard` at half the cost of `single_task`, and for twice the epochs; `single_task` as small as `hard`."""
    plain = [run for name, error in ERRORS.items() for run in build(make_record, name, error, COSTS[name])]
    longer = build(make_record, "hard", 8.0, COSTS["hard"], overrides={"epochs": "6"}, changed={"epochs": 6})
    return plain + longer


def analysed(records: list[ResultRecord], currency: str, states: dict[str, str] | None = None) -> Results:
    board = Board(
        name="toy",
        title="Toy",
        version=1,
        suite="toy",
        methods=["single_task", "hard", "cross_stitch"],
        seeds="0-4",
        controls=BUDGET_CONTROLS[currency],  # type: ignore[index]
    )
    return analyse(select_records(board, records), states=states)


def test_what_a_run_took(make_record: Make) -> None:
    run = make_record(cost=cost(200, 1000))
    assert cost_of_run(run, "flops") == 3 * 1000 * 10 * 3 * 2
    assert cost_of_run(run, "parameters") == 200
    assert cost_of_run(make_record(), "flops") is None
    solved = make_record(cost=cost(200, 1000), changed={"fit": "solver"})
    assert (cost_of_run(solved, "flops"), cost_of_run(solved, "parameters")) == (None, 200)


def test_costs_within_ten_percent_are_equal() -> None:
    assert [is_alike(ratio) for ratio in (0.899, 0.901, 1.0, 1.099, 1.101)] == [False, True, True, True, False]


def test_equal_arithmetic_is_the_nearest_run_of_the_reference(records: list[ResultRecord]) -> None:
    rows = {row.method: row for row in compare_at_cost(analysed(records, "flops"), "flops")}
    assert {name: (row.against, round(row.ratio, 3)) for name, row in rows.items()} == {
        "single_task": (None, 1.0),
        "hard": ("single_task_narrow", round(500 / 520, 3)),
        "cross_stitch": ("single_task", 1.05),
        "single_task_narrow": (None, 1.0),
        "hard, 2 times the epochs": ("single_task", 1.0),
    }
    assert rows["hard, 2 times the epochs"].cost == 2 * rows["hard"].cost
    # Less error than separate models that are as small, more than those of the board.
    assert rows["hard"].contrast
    assert rows["hard"].contrast.verdict == "better"
    assert rows["hard"].contrast.family == 3
    results = analysed(records, "flops")
    at, narrow = (results.board.methods.index(name) for name in ("hard", "single_task_narrow"))
    logs = np.log(results.cells.errors[narrow] / results.cells.errors[at])
    assert rows["hard"].change
    assert rows["hard"].change.mean == pytest.approx(logs.mean(), rel=1e-9)
    assert rows["hard"].tasks
    for task, sample in zip(("left", "right"), logs.T, strict=True):
        assert rows["hard"].tasks[task].mean == pytest.approx(interval(sample).mean, rel=1e-9)


def test_equal_parameters_leave_other_budgets_of_updates_out(records: list[ResultRecord]) -> None:
    rows = {row.method: row for row in compare_at_cost(analysed(records, "parameters"), "parameters")}
    assert "hard, 2 times the epochs" not in rows
    assert (rows["hard"].against, rows["hard"].equal) == ("single_task_narrow", True)
    assert (rows["cross_stitch"].against, rows["cross_stitch"].ratio) == ("single_task", 1.25)
    assert (rows["cross_stitch"].equal, rows["cross_stitch"].contrast) == (False, None)


def test_what_nobody_verified_gets_no_verdict(records: list[ResultRecord]) -> None:
    states = {"single_task": "valid", "single_task_narrow": "valid", "hard": "valid", "cross_stitch": "reported"}
    rows = {row.method: row for row in compare_at_cost(analysed(records, "flops", states), "flops")}
    assert (rows["cross_stitch"].equal, rows["cross_stitch"].contrast) == (True, None)
    assert rows["hard"].contrast


def test_the_table_has_equal_rows_first_and_says_of_the_others_that_they_are_not(records: list[ResultRecord]) -> None:
    results = analysed(records, "parameters")
    text = write_at_cost(build_table(results), "parameters", "md")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    head, _, *rows = lines
    assert head[:4] == ["method", "parameters", "against", "ratio"]
    assert head[4:] == ["Δ log ↑", "left ↑", "right ↑", "verdict"]
    assert [row[0] for row in rows] == [
        "single\\_task", "control: single-task, as small as hard", "hard", "cross\\_stitch",
    ]  # fmt: skip
    assert (rows[2][1], rows[2][3], rows[2][7]) == ("104", "1.04", "better")
    assert (rows[3][3], rows[3][7]) == ("1.25", "unequal")
    assert rows[3][4].startswith("+0.")
    assert "Within 10 % costs are equal" in text
    assert "`mtlbench run toy --control wide narrow ensemble single_wide single_ensemble --seeds 0-4`" in text


def test_at_equal_updates_each_task_has_a_change_too(records: list[ResultRecord]) -> None:
    """Errors of 12 against 10 in one task, with noise, and of twice that in the other: log(10 / 12) in both."""
    text = write_at_cost(build_table(analysed(records, "updates")), "updates", "md")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == ["method", "updates", "against", "ratio", "Δ log ↑", "left ↑", "right ↑", "verdict"]
    [hard] = [line for line in lines if line[0] == "hard"]
    assert hard[1:4] == ["6", "single\\_task", "1.00"]
    assert hard[6] == "-0.182 \\[-0.182, -0.182\\]"
    assert -0.22 < float(hard[5].split(" ")[0]) < -0.15
    assert "--control" not in text


def test_of_many_tasks_the_worst_is_shown(make_record: Make) -> None:
    """Ten tasks with 10 % errors; `hard` has 12 % in the fourth, and 8 % in all others."""
    names = [f"t{at}" for at in range(10)]
    records = [
        make_record(method, seed, {task: 100 - (worst if task == "t3" else error) for task in names})
        for method, error, worst in (("single_task", 10.0, 10.0), ("hard", 8.0, 12.0))
        for seed in range(3)
    ]
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-2")
    text = write_at_cost(tabulate(board, StoreContents(records)), "updates", "md")
    assert "worst task ↑" in text
    assert "t3 -0.182 \\[-0.182, -0.182\\]" in text


def test_what_has_no_cost_says_so(make_record: Make) -> None:
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task"], seeds="0-4")
    text = write_at_cost(tabulate(board, StoreContents([make_record()])), "flops")
    assert "No run here has a cost in this currency" in text


def test_a_row_of_the_reference_is_equal_to_itself() -> None:
    assert CostRow("single_task", 1.0).equal


def test_the_command_prints_it_and_refuses_what_it_cannot(tmp_path, capsys, records) -> None:  # type: ignore[no-untyped-def]
    store = Store(tmp_path)
    for record in records:
        store.write(record)
    table = ["table", "toy", "--store", str(tmp_path)]
    assert main([*table, "--equal", "flops"]) == 0
    out = capsys.readouterr().out
    assert "equal arithmetic" in out
    assert "hard, 2 times the epochs" in out  # controls of budgets are there without being asked for
    assert main([*table, "--equal", "updates", "--format", "csv"]) == 0
    with_updates = capsys.readouterr().out
    assert main([*table, "--format", "csv"]) == 0
    assert capsys.readouterr().out == with_updates
    assert main([*table, "--equal", "updates"]) == 0
    assert "equal updates" in capsys.readouterr().out
    for wrong in (["--format", "csv"], ["--details"], ["--control", "long", "static"]):
        assert main([*table, "--equal", "flops", *wrong]) == 2
        assert (
            "`--equal flops` should be given `--format text` or `md`, and neither `--details` nor `--control`. "
            f"Found `{' '.join(wrong)}`." in capsys.readouterr().err
        )
