"""The tuned track: who won, the expected best of k trials, and who has no place."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.records import ResultRecord, Tuning
from leaderboard.boards.board import Board, board_of_suite
from leaderboard.boards.record_selection import select_records
from leaderboard.boards.tuned_track import MethodSearch, searches_of
from leaderboard.report.table import tabulate
from leaderboard.site import write_site
from leaderboard.site.view import Figure
from leaderboard.store import Store, StoreContents

Make = Callable[..., ResultRecord]
BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=["hard", "single_task"], seeds="0-1", trials=3)


def placed(record: ResultRecord, tuning: Tuning) -> ResultRecord:
    spec = record.spec.vary(tuning=tuning)
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id}).seal()


def trial(
    make: Make, of: str, number: int, error: float | None, lr: float = 0.1, edges: tuple[str, ...] = ()
) -> ResultRecord:
    record = make(of, seed=1000, overrides={"lr": repr(lr)}, failed=error is None)
    errors = {} if error is None else dict.fromkeys(record.tasks, error)
    bare = record.model_copy(update={"statistics": {}, "scores": {}, "validation": errors})
    return placed(bare, Tuning(of=of, trial=number, stage="trial", edges=edges))


def final(make: Make, of: str, number: int, seed: int, left: float, edges: tuple[str, ...] = ()) -> ResultRecord:
    record = make(of, seed=seed, values={"left": left, "right": 90.0}, overrides={"lr": "0.1"})
    return placed(record, Tuning(of=of, trial=number, stage="final", edges=edges))


@pytest.fixture
def store(make_record: Make) -> list[ResultRecord]:
    """`hard`: trial 1 of three wins, at the edge; `single_task`: trial 0 wins, one failed."""
    return [
        *(trial(make_record, "hard", n, e, edges=("lr",) if n == 1 else ()) for n, e in enumerate((0.3, 0.1, 0.2))),
        *(trial(make_record, "single_task", n, e) for n, e in enumerate((0.2, None, 0.4))),
        *(final(make_record, "hard", 1, seed, 96.0 + seed, ("lr",)) for seed in (0, 1)),
        final(make_record, "hard", 2, 0, 50.0),  # of a trial that did not win
        *(final(make_record, "single_task", 0, seed, 95.0) for seed in (0, 1)),
        make_record("hard", 0, {"left": 1.0, "right": 1.0}),  # of the default track
    ]


def test_records_of_a_search_are_sound_and_stored(store: list[ResultRecord], tmp_path: object) -> None:
    root = Store(tmp_path)  # type: ignore[arg-type]
    for record in store:
        assert record.find_problems() == []
        root.write(record)
    assert len(root.read().records) == len(store)


def test_a_trial_holds_nothing_of_the_test_split(make_record: Make) -> None:
    whole = trial(make_record, "hard", 0, 0.1)
    with_test = whole.model_copy(update={"statistics": make_record("hard").statistics}).seal()
    assert any("test split" in problem for problem in with_test.find_problems())
    without = whole.model_copy(update={"validation": {}}).seal()
    assert any("positive error" in problem for problem in without.find_problems())


def test_the_rows_of_the_tuned_track_are_the_methods_searched_for(store: list[ResultRecord]) -> None:
    board = BOARD.model_copy(update={"methods": ["soft", *BOARD.methods], "labels": {"hard": "hard, half-life 100"}})
    table = tabulate(board, StoreContents(store), track="tuned")
    assert table.board.methods == BOARD.methods
    assert table.board.label("hard") == "hard"  # what a label tells may have been drawn


def test_the_tuned_track_shows_the_winners_runs(store: list[ResultRecord]) -> None:
    chosen = select_records(BOARD, store, "tuned")
    assert {key: record.scores["val"]["left"]["accuracy"] for key, record in chosen.records.items()} == {
        ("hard", 0): 96.0,
        ("hard", 1): 97.0,
        ("single_task", 0): 95.0,
        ("single_task", 1): 95.0,
    }
    assert any("`hard` lies at the edge of its grid: lr=0.1" in note for note in chosen.notes)
    table = tabulate(BOARD, StoreContents(store), track="tuned")
    assert next(row.mean for row in table.rows if row.method == "hard" and row.task == "left") == 96.5


def test_the_note_counts_settings_and_not_draws(make_record: Make) -> None:
    """Three trials each; those of `hard` are of two settings, since the first two drew the same."""
    store = [trial(make_record, "hard", number, 0.1, lr) for number, lr in enumerate((0.1, 0.1, 0.2))]
    store += [trial(make_record, "single_task", number, 0.1, lr) for number, lr in enumerate((0.1, 0.2, 0.3))]
    notes = select_records(BOARD, store, "tuned").notes
    assert any("Draws repeat: 2 to 3 of a method's are of different settings." in note for note in notes)


def test_the_default_track_knows_nothing_of_searches(store: list[ResultRecord]) -> None:
    table = tabulate(BOARD, StoreContents(store))
    assert {(row.method, row.seeds) for row in table.rows if row.task == "left"} == {("hard", 1), ("single_task", 0)}
    assert board_of_suite("toy", store).methods == ["hard"]
    assert board_of_suite("toy", store, "tuned").methods == ["single_task", "hard"]


def test_fewer_trials_than_the_others_have_no_place(store: list[ResultRecord]) -> None:
    chosen = select_records(BOARD, store[1:], "tuned")
    assert {method for method, _ in chosen.records} == {"single_task"}
    assert any("2 of 3 trials" in note for note in chosen.notes)


def test_without_a_table_the_track_is_that_of_the_trials_all_have(store: list[ResultRecord]) -> None:
    board = board_of_suite("toy", store, "tuned")
    assert (board.trials, board_of_suite("toy", store).trials) == (3, 16)
    fewer = [record for record in store if not (record.spec.tuning and record.spec.tuning.trial == 2)]
    fewer += [r for r in store if r.spec.tuning and r.spec.tuning.trial == 2 and r.spec.tuning.of == "hard"]
    assert board_of_suite("toy", fewer, "tuned").trials == 2


def test_the_site_shows_both_tracks_and_what_trials_buy(
    store: list[ResultRecord], tmp_path: Path, drawn: list[Figure]
) -> None:
    """One line a method, its points the geometric means over tasks of `expected_best`; edges are named."""
    write_site(StoreContents(store), [BOARD], tmp_path, "runs")
    assert "<h1>Toy</h1>" in (tmp_path / "suites/toy.html").read_text()
    (tuned,) = tmp_path.glob("suites/toy~*-tuned.html")
    page = tuned.read_text()
    assert "<h1>Toy, tuned</h1>" in page
    [figure] = [each for each in drawn if each.name.startswith("budget")]
    assert f'id="{figure.name}"' in page
    for trace in figure.traces:
        [search] = [search for search in searches_of(store, 3) if search.method == trace["name"]]
        points = [math.inf if math.isnan(y) else y for y in trace["y"]]  # while all trials may have failed
        np.testing.assert_allclose(points, np.exp(search.expected_best() / 2), rtol=1e-4)
    assert {trace["name"] for trace in figure.traces} == {"hard", "single_task"}
    assert "The winner of <code>hard</code> lies at the edge of its grid: lr=" in page
    write_site(StoreContents(store), [], tmp_path, "runs")
    page = (tmp_path / "suites/toy.html").read_text()
    assert "<h1>Toy</h1>" not in page
    assert "toy, tuned" in page


def test_expected_best_is_the_mean_over_all_subsets(make_record: Make) -> None:
    errors = [0.3, 0.1, 0.25, 0.1, 0.6]
    search = MethodSearch("hard", [trial(make_record, "hard", k, e) for k, e in enumerate(errors)])
    sums = [2 * math.log(e) for e in errors]  # two tasks
    expected = [np.mean([min(chosen) for chosen in itertools.combinations(sums, k)]) for k in range(1, 6)]
    np.testing.assert_allclose(search.expected_best(), expected, rtol=1e-12)


def test_expected_best_is_infinite_while_all_of_k_may_have_failed(make_record: Make) -> None:
    search = MethodSearch("hard", [trial(make_record, "hard", k, e) for k, e in enumerate((0.5, None, 0.25))])
    assert search.expected_best()[0] == math.inf
    assert search.expected_best()[1:] == pytest.approx(
        [2 * (2 * math.log(0.25) + math.log(0.5)) / 3, 2 * math.log(0.25)]
    )


def test_no_winner_where_every_trial_failed(make_record: Make) -> None:
    [search] = searches_of([trial(make_record, "hard", k, None) for k in range(3)], 3)
    assert search.winner is None
    assert search.edges == ()


def versioned(record: ResultRecord, version: int) -> ResultRecord:
    spec = record.spec.vary(versions={"suite/toy": 1, "sharing/x": version})
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id}).seal()


@pytest.mark.parametrize("turn", [1, -1])
def test_searches_of_an_older_version_are_not_mixed_in(make_record: Make, turn: int) -> None:
    """Trials and runs have the same numbers in both; only those of one version belong together."""
    old = [trial(make_record, "hard", n, error) for n, error in enumerate((0.01, 0.3, 0.3))]
    new = [versioned(trial(make_record, "hard", n, error), 2) for n, error in enumerate((0.1, 0.3, 0.3))]
    stale = [final(make_record, "hard", 0, seed, 99.0) for seed in (0, 1)]
    fresh = [versioned(final(make_record, "hard", 0, seed, 91.0), 2) for seed in (0, 1)]
    board = BOARD.model_copy(update={"methods": ["hard"]})
    chosen = select_records(board, [*old, *new, *stale, *fresh][::turn], "tuned").records
    assert {key: record.run_id for key, record in chosen.items()} == {
        ("hard", seed): record.run_id for seed, record in enumerate(fresh)
    }
    now = select_records(board, [*old, *new, *stale][::turn], "tuned")
    assert now.records == {}  # the winner of now has not been run
    assert select_records(board, [*old, *stale][::turn], "tuned").records.keys() == {("hard", 0), ("hard", 1)}
