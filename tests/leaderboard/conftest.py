"""A factory of valid, sealed records: named problems with known answers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.records import Protocol, ResultRecord, RunSpec, digest
from bench.records.record import Failure
from bench.scores import Metric, score
from leaderboard.analysis.statistics import Cells, Column
from leaderboard.boards.board import Board
from leaderboard.site.drawing import draw_chart
from leaderboard.site.view import Figure

ROWS = 10_000  # of the test split, so that an accuracy of two decimals is exact


def protocol(metrics: dict[str, str], version: int = 1, **changed: Any) -> Protocol:
    """A small protocol for tasks of the given kinds."""
    settings: dict[str, Any] = {
        "name": "toy",
        "version": version,
        "splits": {"train": 100, "val": 50, "test": ROWS},
        "split_rule": "in order",
        "epochs": 3,
        "steps_per_epoch": 2,
        "batch_size": 10,
        "optimiser": "sgd",
        "lr": 0.1,
        "schedule": "constant",
        "metrics": metrics,
    }
    return Protocol(**(settings | changed))


def state_of(kind: str, value: float) -> dict[str, Any]:
    """The statistics of a task with the accuracy (percent) or root mean squared error `value`."""
    if kind == "classification":
        right = round(ROWS * value / 100)
        return {"confusion": [[right, ROWS - right], [0, 0]]}
    return {"count": ROWS, "squared_error": value**2 * ROWS}


def build_record(
    method: str = "single_task",
    seed: int = 0,
    values: dict[str, float] | None = None,
    kinds: dict[str, str] | None = None,
    *,
    suite: str = "toy",
    version: int = 1,
    versions: dict[str, int] | None = None,
    data: str = "d" * 8,
    overrides: dict[str, Any] | None = None,
    changed: dict[str, Any] | None = None,
    failed: bool = False,
    last: dict[str, float] | None = None,
    **more: Any,
) -> ResultRecord:
    """A sealed record, of a protocol with `changed` settings.

    `values` maps a task to its score, under every selection rule but, where given, `last`.
    """
    values = values or {"left": 95.0, "right": 90.0}
    kinds = kinds or dict.fromkeys(values, "classification")
    spec = RunSpec(
        suite=f"{suite}:size=1",
        method=f"{method}@uniform",
        seed=seed,
        protocol=protocol(kinds, version, **(changed or {})),
        versions=versions or {"suite/toy": 1, "sharing/x": 1},
        data=digest({"rows": data}),
        overrides=overrides or {},
    )
    states = {task: state_of(kinds[task], value) for task, value in values.items()}
    rules = {} if failed else dict.fromkeys(("val", "per_task", "last"), states)
    if last:
        rules["last"] = {task: state_of(kinds[task], value) for task, value in last.items()}
    record = ResultRecord(
        run_id=spec.run_id,
        suite=suite,
        method=method,
        spec=spec,
        status="failed" if failed else "done",
        error=Failure(type="Diverged", message="the loss was not finite", where="step 3") if failed else None,
        tasks=list(kinds),
        statistics=rules,
        scores={
            rule: {task: score(kinds[task], state) for task, state in chosen.items()} for rule, chosen in rules.items()
        },
        selection={rule: dict.fromkeys(kinds, 3) for rule in rules},
        data={"rows": data},
        **more,
    )
    return record.seal()


@pytest.fixture
def make_record() -> Callable[..., ResultRecord]:
    """`make_record(method=..., seed=..., values={task: score})` makes a valid, sealed record."""
    return build_record


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that pages draw, in turn."""
    figures: list[Figure] = []

    def draw(figure: Figure, root: str = "") -> str:
        figures.append(figure)
        return draw_chart(figure, root)

    monkeypatch.setattr("leaderboard.site.context.draw_chart", draw)
    return figures


@pytest.fixture
def three_methods() -> list[ResultRecord]:
    """Five seeds of `single_task` and `hard` (1 and 2 points worse, in every seed), three of `cross_stitch`."""
    noise = [0.0, 0.2, -0.1, 0.3, -0.4]
    return [
        build_record(method, seed, {"left": 95.0 + noise[seed] - left, "right": 90.0 - noise[seed] - right})
        for method, left, right, seeds in (("single_task", 0, 0, 5), ("hard", 1, 2, 5), ("cross_stitch", -0.5, 0.25, 3))
        for seed in range(seeds)
    ]


def build_cells(errors: np.ndarray, methods: list[str] | None = None) -> Cells:
    """The cells of [method, seed, task] errors, each of which is the only metric of its task."""
    methods = methods or ["single_task", "hard", *(f"m{index}" for index in range(2, len(errors)))]
    board = Board(name="t", title="T", version=1, suite="s", methods=methods, seeds=f"0-{errors.shape[1] - 1}")
    tasks = [f"t{index}" for index in range(errors.shape[2])]
    return Cells(board, tasks, [Column(task, Metric("error", False)) for task in tasks], errors, errors)


@pytest.fixture
def make_cells() -> Callable[..., Cells]:
    """`make_cells(errors)` with [method, seed, task] errors; the first two methods are `single_task` and `hard`."""
    return build_cells
