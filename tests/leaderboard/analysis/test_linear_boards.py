"""What the committed boards of linear models say: who gains on which truth, and nothing where there is nothing."""

import numpy as np
import pytest

from leaderboard.analysis.statistics import corrected_interval, interval
from leaderboard.boards.board import load_board
from leaderboard.boards.record_selection import Selection, select_records
from leaderboard.store.committed import read_committed_suite

# What a truth is made of, the constraint that says so, and the same penalty without the tie between tasks.
MATCHING = {
    "mean": ("soft+l2", "soft+ridge"),
    "sparse": ("soft+l21", "soft+l1"),
    "low_rank": ("soft+trace_norm", "soft+ridge"),
    "clustered": ("soft+cluster", "soft+ridge"),
    "graph": ("soft+graph:edges=ring", "soft+ridge"),
    "outliers": ("soft+robust", "soft+ridge"),
}
SPLITS = 10


@pytest.fixture(scope="module")
def errors() -> dict[str, dict[str, np.ndarray]]:
    """truth -> method -> log rmse of its seeds, in their order."""
    return {
        part.board.suite.partition("truth=")[2] or "mean": {
            method: np.log(values) for method, values in read_scores(part, "rmse").items()
        }
        for part in select_parts("linear_synthetic")
    }


def select_parts(name: str) -> list[Selection]:
    """The parts of a committed board, with its records: others of its suite may lie beside them."""
    records = read_committed_suite(name)
    return [select_records(part, records) for part in load_board(name).parts]


def read_scores(part: Selection, metric: str) -> dict[str, np.ndarray]:
    """method -> the pooled metric of its seeds, in their order."""
    found: dict[str, list[float]] = {}
    for (method, _), record in sorted(part.records.items()):
        found.setdefault(method, []).append(record.scores["val"]["pooled"][metric])
    return {method: np.array(values) for method, values in found.items()}


@pytest.mark.parametrize("truth", MATCHING)
def test_the_matching_constraint_beats_single_task_and_its_uncoupled_twin(errors, truth) -> None:
    own, twin = MATCHING[truth]
    for other in ("single_task", twin):
        gain = errors[truth][other] - errors[truth][own]
        assert len(gain) == 5
        assert interval(gain).low > 0, (truth, own, other, gain)


def test_with_unrelated_tasks_nothing_beats_single_task(errors) -> None:
    methods = errors["unrelated"]
    gains = {method: methods["single_task"] - found for method, found in methods.items() if method.startswith("soft+")}
    assert len(gains) == 17
    for method, gain in gains.items():
        assert gain.mean() <= 1e-6, method  # `soft+ridge` is single-task, up to the solver's tolerance


def test_no_truth_has_the_winner_of_all(errors) -> None:
    """Each assumption pays where it holds: no method is in front everywhere."""
    best = {truth: min(methods, key=lambda name: methods[name].mean()) for truth, methods in errors.items()}
    assert set(best) == {*MATCHING, "unrelated"}
    assert len(set(best.values())) > 3


def test_school_has_the_numbers_of_an_honest_choice_of_strength() -> None:
    """Pooled explained variance with the strength chosen inside the training part; Nadeau-Bengio over ten splits."""
    [part] = select_parts("school")
    runs = read_scores(part, "explained_variance")
    for method, expected in {"single_task": 33.3, "hard": 33.9, "soft+l2": 37.6}.items():
        found = corrected_interval(runs[method], 1 / 3)
        assert len(runs[method]) == SPLITS
        assert abs(found.mean - expected) < 0.7
        assert found.low < expected < found.high
