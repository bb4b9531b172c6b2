"""Dials of rows at their own best rates, and whether a dial is worse in between than at both of its ends."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bench.records import ResultRecord, Tuning
from leaderboard.analysis.curves import log_test_error
from leaderboard.analysis.dials import Dial, find_dials
from leaderboard.analysis.dips import compare_with_ends
from leaderboard.boards.board import Board, CurveBudget
from tests.leaderboard.boards.test_curves import point

Make = Callable[..., ResultRecord]
BOARD = Board(
    name="dial",
    title="A dial",
    version=1,
    suite="toy",
    methods=["single_task", "hard", "soft+l2", "soft+l2:halflife=0", "soft+l2:halflife=10", "soft+l2:halflife=inf"],
    seeds="0-5",
    curve=CurveBudget(over="lr=0.01/0.02/0.04", seeds="100-101"),
)
RATES = {"soft+l2:halflife=0": 0.04, "soft+l2:halflife=10": 0.02, "soft+l2": 0.02, "soft+l2:halflife=inf": 0.01}
VALUES = {"soft+l2:halflife=0": "0.0", "soft+l2:halflife=10": "10.0", "soft+l2": "100.0", "soft+l2:halflife=inf": "inf"}


def run_of(make: Make, method: str, lr: float, seed: int, error: float = 0.2, accuracy: float = 80.0) -> ResultRecord:
    """A run with `--set lr`, of the specification that the method's text stands for."""
    record = point(make, method, lr, seed, error, accuracy)
    whole = f"soft+l2:halflife={VALUES[method]}@uniform" if method in VALUES else record.spec.method
    spec = record.spec.vary(method=whole)
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id}).seal()


def best(make: Make, method: str, lr: float, seed: int, accuracy: float) -> ResultRecord:
    """A run of a method at what was its best rate."""
    record = run_of(make, method, lr, seed, accuracy=accuracy)
    spec = record.spec.vary(tuning=Tuning(of=method, trial=0, stage="best"))
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id}).seal()


def curve(make: Make, method: str) -> list[ResultRecord]:
    """The runs by which a method's own rate is chosen."""
    own = RATES.get(method, 0.01)
    rates = [(lr, seed) for lr in (0.01, 0.02, 0.04) for seed in (100, 101)]
    return [run_of(make, method, lr, seed, 0.1 if lr == own else 0.3) for lr, seed in rates]


def runs(make: Make, accuracies: dict[str, float]) -> Iterator[ResultRecord]:
    """Six seeds of every method; noise of its own for each run, and an effect of the seed that all share."""
    generator = np.random.default_rng(0)
    effect = generator.normal(0, 2.0, 6)
    for method, accuracy in accuracies.items():
        yield from curve(make, method)
        for seed in range(6):
            noise = generator.normal(0, 0.1)
            yield best(make, method, RATES.get(method, 0.01), seed, round(accuracy + effect[seed] + noise, 3))


LEVEL = {"soft+l2:halflife=0": 80.0, "soft+l2:halflife=10": 80.0, "soft+l2": 80.0, "soft+l2:halflife=inf": 80.0}


def dial_of(make: Make, **changed: float) -> Dial:
    named = {"tied": "soft+l2:halflife=0", "ten": "soft+l2:halflife=10", "free": "soft+l2:halflife=inf"}
    levels = LEVEL | {named.get(name, name): value for name, value in changed.items()}
    [dial] = find_dials(list(runs(make, levels)), [BOARD])
    return dial


def test_rows_at_their_own_best_rates_form_a_dial_with_its_ends(make_record: Make) -> None:
    dial = dial_of(make_record, single_task=80.0, hard=80.0)
    assert dial.settings == "own best lr"
    assert dial.of_best
    assert list(dial.points) == [float("inf"), 100, 10, 0]
    assert {name: len(found) for name, found in dial.ends.items()} == {"single_task": 6, "hard": 6}


def test_curves_of_a_board_are_no_dials(make_record: Make) -> None:
    """At each single rate of a curve the half-lives form a dial where no board has them choose; others still do."""
    own = list(runs(make_record, LEVEL))
    hand = [run_of(make_record, method, 0.08, 0) for method in LEVEL]
    found = {dial.settings for dial in find_dials([*own, *hand])}
    assert found == {"lr=0.01", "lr=0.02", "lr=0.04", "lr=0.08"}
    assert [dial.settings for dial in find_dials([*own, *hand], [BOARD])] == ["lr=0.08", "own best lr"]


def test_what_was_best_before_more_runs_is_no_point(make_record: Make) -> None:
    own = list(runs(make_record, LEVEL | {"single_task": 80.0, "hard": 80.0}))
    before = [
        best(make_record, method, 0.02, seed, 50.0) for method in ("hard", "soft+l2:halflife=0") for seed in range(6)
    ]
    [dial] = find_dials([*own, *before], [BOARD])
    assert len(dial.points[0.0]) == len(dial.ends["hard"]) == 6
    assert compare_with_ends(dial) == compare_with_ends(find_dials(own, [BOARD])[0])


def test_runs_made_by_hand_are_another_dial(make_record: Make) -> None:
    byhand = [point(make_record, method, 0.01, 0, 0.2, 80.0) for method in ("single_task", "hard")]
    [dial] = find_dials([*runs(make_record, LEVEL), *byhand], [BOARD])
    assert dial.ends == {}
    assert compare_with_ends(dial) == []


def test_a_dip_is_found_only_below_both_ends(make_record: Make) -> None:
    dips = {p.value: p.p for p in compare_with_ends(dial_of(make_record, single_task=80.0, hard=80.0, ten=77.0))}
    assert dips[10] < 0.01
    assert min(p for value, p in dips.items() if value != 10) > 0.05
    between = {p.value: p.p for p in compare_with_ends(dial_of(make_record, single_task=80.0, hard=74.0, ten=77.0))}
    assert between[10] == pytest.approx(1, abs=1e-3)


def test_changes_are_paired_by_seed(make_record: Make) -> None:
    dial = dial_of(make_record, single_task=80.0, hard=74.0)
    [free] = [p for p in compare_with_ends(dial) if np.isinf(p.value)]
    own = {run.spec.seed: log_test_error(run) / 2 for run in dial.points[float("inf")]}
    other = {run.spec.seed: log_test_error(run) / 2 for run in dial.ends["hard"]}
    assert free.changes["hard"].mean == pytest.approx(np.mean([other[seed] - own[seed] for seed in own]), rel=1e-12)
    assert free.changes["hard"].low is not None
    assert free.changes["hard"].low > 0
