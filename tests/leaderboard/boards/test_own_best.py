"""Boards whose rows are at their own best values: which runs count, who has no place, and what a note says."""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.errors import UsageError
from bench.records import ResultRecord, Tuning
from leaderboard.analysis.curves import find_curves
from leaderboard.boards import board as boards_module
from leaderboard.boards.board import Board, CurveBudget, load_board
from leaderboard.boards.own_best import read_whole_curves
from leaderboard.boards.record_selection import select_records
from leaderboard.report.formats import write_ends
from leaderboard.report.table import tabulate
from leaderboard.site import write_site
from leaderboard.store import Store, StoreContents
from tests.bench.execution.tables import TINY
from tests.leaderboard.boards.test_curves import path, point

Make = Callable[..., ResultRecord]
BOARD = Board(
    name="best",
    title="At their own best",
    version=1,
    suite="toy",
    methods=["single_task", "hard"],
    seeds="10-11",
    curve=CurveBudget(over="lr=0.01/0.02/0.04", seeds="0-2"),
)
TOML = """title = "T"
version = 1
suite = "{suite}"
methods = ["single_task", "hard"]
seeds = "{seeds}"
{more}

[curve]
over = "{over}"
seeds = "1000-1001"
"""


def best(make: Make, method: str, lr: float, seed: int, test: float, **more: object) -> ResultRecord:
    """A run at a value that a curve chose."""
    record = point(make, method, lr, seed, 0.2, test, **more)
    spec = record.spec.vary(tuning=Tuning(of=method, trial=0, stage="best"))
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id}).seal()


@pytest.fixture
def store(make_record: Make) -> list[ResultRecord]:
    """`hard` is best at 0.02, `single_task` at the edge, 0.04; each was run on the board's seeds at several values."""
    return [
        *path(make_record, "hard", {0.01: 0.3, 0.02: 0.1, 0.04: 0.2}),
        *path(make_record, "single_task", {0.01: 0.3, 0.02: 0.2, 0.04: 0.1}),
        *(best(make_record, "hard", 0.02, seed, 80.0 + seed) for seed in (10, 11)),
        *(best(make_record, "single_task", 0.04, seed, 70.0 + seed) for seed in (10, 11)),
        best(make_record, "hard", 0.04, 10, 99.0),  # of another value than the chosen one
        point(make_record, "hard", 0.02, 10, 0.001, 98.0),  # by hand
        make_record("hard", 10, {"left": 1.0, "right": 1.0}),  # at the protocol's own value
    ]


def accuracies(board: Board, records: list[ResultRecord]) -> dict[tuple[str, int], float]:
    """(method, seed) -> accuracy of the run that stands on the board."""
    chosen = select_records(board, records).records
    return {key: record.scores["val"]["left"]["accuracy"] for key, record in chosen.items()}


def test_a_row_is_its_method_at_the_value_that_its_own_curve_chose(store: list[ResultRecord]) -> None:
    expected = {("hard", 10): 90.0, ("hard", 11): 91.0, ("single_task", 10): 80.0, ("single_task", 11): 81.0}
    assert accuracies(BOARD, store) == accuracies(BOARD, store[::-1]) == expected
    assert all(record.find_problems() == [] for record in store)


def test_notes_name_the_budget_the_values_and_the_edges(store: list[ResultRecord]) -> None:
    first, *notes = select_records(BOARD, store).notes
    assert first == (
        "Each method at its own best lr of 3 values from 0.01 to 0.04, chosen on validation over seeds 0-2, as many "
        "runs for every method: `single_task` 0.04, `hard` 0.02."
    )
    assert notes == ["The best lr of `single_task` lies at the edge of its grid, lr=0.04; try lr=0.08."]


def finals(make: Make, method: str, errors: dict[float, float | None]) -> list[ResultRecord]:
    """Further runs of some values of a curve."""
    return [point(make, method, lr, seed, error) for lr, error in errors.items() for seed in (3, 4, 5, 6)]


JUDGED = BOARD.model_copy(
    update={"curve": CurveBudget(over="lr=0.01/0.02/0.04", seeds="0-2", finalists=2, finalist_seeds="3-6")}
)


def test_the_best_values_are_judged_again_over_all_seeds(make_record: Make, store: list[ResultRecord]) -> None:
    """`hard` was lucky at 0.02: over seven seeds it is better at 0.04; its third value is out for good."""
    again = [
        *finals(make_record, "hard", {0.01: 0.001, 0.02: 0.4, 0.04: 0.2}),
        *finals(make_record, "single_task", {0.02: 0.2, 0.04: 0.1}),
    ]
    chosen = select_records(JUDGED, [*store, *again])
    expected = {("hard", 10): 99.0, ("single_task", 10): 80.0, ("single_task", 11): 81.0}
    assert accuracies(JUDGED, [*store, *again]) == expected
    assert "over seeds 0-2, the best 2 again on seeds 3-6, as many runs for every method" in chosen.notes[0]
    shown = {each.curve.method: each.curve.chosen for each in find_curves([*store, *again], [JUDGED])}
    assert shown == {"hard": 0.04, "single_task": 0.04}
    curve = read_whole_curves(JUDGED, [*store, *again])[0]["hard"]
    assert curve.pick_finalists(2) == [0.02, 0.04]
    # Seven seeds: three of the curve, four further ones; the objective is a sum over two tasks.
    assert curve.final_objectives[0.02] == pytest.approx(2 * (3 * math.log(0.1) + 4 * math.log(0.4)) / 7)


def test_a_method_without_its_further_runs_has_no_place(make_record: Make, store: list[ResultRecord]) -> None:
    again = finals(make_record, "single_task", {0.02: 0.2, 0.04: 0.1})
    chosen = select_records(JUDGED, [*store, *again])
    assert {method for method, _ in chosen.records} == {"single_task"}
    assert "`hard` lacks runs of its best values on seeds 3-6: not counted." in chosen.notes


def test_methods_at_one_edge_share_a_sentence(make_record: Make) -> None:
    errors: dict[float, float | None] = {0.01: 0.3, 0.02: 0.2, 0.04: 0.1}
    board = BOARD.model_copy(update={"labels": {"hard": "one trunk"}})
    records = [*path(make_record, "single_task", errors), *path(make_record, "hard", errors)]
    assert select_records(board, records).notes[1:] == [
        "The best lr of `single_task`, `one trunk` lies at the edge of its grid, lr=0.04; try lr=0.08."
    ]


def test_a_line_shows_the_own_best_value_and_the_verdict(make_record: Make, store: list[ResultRecord]) -> None:
    board = BOARD.model_copy(update={"seeds": "10-15"})
    more = [
        best(make_record, method, lr, seed, level + seed / 10)
        for method, lr, level in [("hard", 0.02, 80.0), ("single_task", 0.04, 70.0)]
        for seed in range(10, 16)
    ]
    table = tabulate(board, StoreContents([record for record in store if record.spec.tuning is None] + more))
    assert table.ends == ["rank", "vs single_task", "vs best", "best lr", "seeds"]
    ends = {line.method: dict(zip(table.ends, write_ends(table, line), strict=True)) for line in table.lines}
    assert {method: own["best lr"] for method, own in ends.items()} == {"single_task": "0.04", "hard": "0.02"}
    assert {method: own["vs single_task"] for method, own in ends.items()} == {"single_task": "—", "hard": "better"}
    assert {method: own["vs best"] for method, own in ends.items()} == {"single_task": "worse", "hard": "leads"}
    assert any(note.text.startswith("vs `single_task`: better or worse") for note in table.notes)
    plain = tabulate(board.model_copy(update={"curve": None}), StoreContents(store))
    assert plain.best_head == ""
    assert plain.verdicts == {}  # runs at own best values are no runs of a board without a curve


def test_a_curve_with_fewer_runs_than_the_budget_has_no_place(store: list[ResultRecord]) -> None:
    chosen = select_records(BOARD, store[1:])
    assert {method for method, _ in chosen.records} == {"single_task"}
    assert "`hard` has 8 of 9 runs of its curve: not counted." in chosen.notes


def test_values_and_seeds_outside_the_budget_do_not_choose(make_record: Make, store: list[ResultRecord]) -> None:
    more = [point(make_record, "hard", 0.08, seed, 0.001) for seed in range(3)]
    more += [point(make_record, "hard", 0.04, seed, 0.001) for seed in range(3, 9)]
    assert accuracies(BOARD, store + more) == accuracies(BOARD, store)


def test_a_method_all_of_whose_values_fail_has_no_row(make_record: Make) -> None:
    records = path(make_record, "hard", {0.01: None, 0.02: None, 0.04: None})
    chosen = select_records(BOARD, records)
    assert chosen.records == {}
    assert "Nothing is chosen for `hard`: every value has a failed run." in chosen.notes


def test_other_boards_and_tracks_know_nothing_of_it(store: list[ResultRecord]) -> None:
    plain = BOARD.model_copy(update={"curve": None})
    assert accuracies(plain, store) == {("hard", 10): 1.0}
    assert tabulate(BOARD, StoreContents(store), track="tuned").board.methods == []


def test_the_site_shows_such_a_board(store: list[ResultRecord], tmp_path: Path) -> None:
    write_site(StoreContents(store), [BOARD], tmp_path, "runs")
    page = (tmp_path / "suites/toy.html").read_text()
    assert "<h1>At their own best</h1>" in page
    assert "Each method at its own best lr of 3 values" in page
    assert "tuned" not in page.partition("How to read it")[0].partition("<h1>")[2]
    run = next(record for record in store if record.spec.tuning)
    assert (
        "mtlbench curve toy hard --over lr=0.02 --final-seeds 10" in (tmp_path / f"runs/{run.run_id}.html").read_text()
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"over": "lr=0.01/0.02"}, "`over` should have 3 values or more"),
        ({"over": "rate=0.01/0.02/0.04"}, "no setting `rate` that is a number"),
        ({"seeds": "999-1000"}, "none of the board's `seeds`. Found 1000 in both"),
        ({"more": 'controls = ["long"]'}, "`curve` should stand without `controls` and `series`"),
    ],
)
def test_a_malformed_budget_is_one_sentence(changed: dict[str, str], sentence: str, tmp_path: Path) -> None:
    fields = {"suite": "toy", "seeds": "0-4", "more": "", "over": "lr=0.01/0.02/0.04"}
    (tmp_path / "mine.toml").write_text(TOML.format(**fields))
    assert load_board("mine", tmp_path).curve == CurveBudget(over="lr=0.01/0.02/0.04", seeds="1000-1001")
    (tmp_path / "mine.toml").write_text(TOML.format(**fields | changed))
    with pytest.raises(ValueError, match=r"mine\.toml` should be a valid board") as raised:
        load_board("mine", tmp_path)
    assert sentence in str(raised.value)


def test_reproduce_runs_the_curves_then_each_method_at_its_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A whole board from nothing, one value judged again, and a second time with nothing left to run."""
    text = TOML.format(suite="tiny", seeds="0-1", more="", over="lr=0.001/0.01/0.1")
    (tmp_path / "mine.toml").write_text(f'{text}finalists = 1\nfinalist_seeds = "1002"\n')
    monkeypatch.setattr(boards_module, "TABLES", tmp_path)
    for function in (boards_module.load_board, boards_module.boards):
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    words = ["reproduce", "mine", "--plugin", str(TINY), "--store", str(tmp_path / "store"), "--device", "cpu"]
    words += ["--metrics", "all"]
    assert main([*words, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert not (tmp_path / "store").exists()
    assert Counter(line.split()[0] for line in out.splitlines()) == {"planned": 18, "estimate": 3}
    assert sum("--set lr=0.01" in line for line in out.splitlines()) == 4 + 4  # of the curves, and at the middle value
    assert "18 planned: 0 were stored, 0 done, 0 failed, 18 to run.\n6 of them are at best values that no curve" in err
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "18 planned: 0 were stored, 18 done" in err
    assert "Each method at its own best lr of 3 values from 0.001 to 0.1" in " ".join(out.split())
    records = Store(tmp_path / "store").read().records
    stages = [record.spec.tuning.stage if record.spec.tuning else "" for record in records]
    assert sorted(stages) == [""] * 14 + ["best"] * 4
    board = load_board("mine", tmp_path)
    assert len(select_records(board, records).records) == 4
    assert main(words) == 0
    assert "18 planned: 18 were stored" in capsys.readouterr().err
    assert main([*words, "--dry-run", "--json"]) == 0
    out, err = capsys.readouterr()
    known = json.loads(out)
    assert {cell["run_id"] for cell in known["cells"]} == {record.run_id for record in records}
    assert (known["stored"], known["to_run"], known["estimate"]["unknown"]) == (18, 0, 0)
    assert "no curve has chosen yet" not in err
    for run in (record for record in records if record.method == "hard" and not record.spec.tuning):
        Store(tmp_path / "store").path(run.spec).unlink()  # a curve that is not whole chooses nothing
    assert main([*words, "--dry-run"]) == 0
    assert "3 of them are at best values that no curve has chosen yet" in capsys.readouterr().err
    assert main([*words, "--dry-run", "--against", "committed"]) == 2
    assert "`--against` should be given without `--dry-run` and `--json`" in capsys.readouterr().err
    assert main(["table", "mine", "--store", str(tmp_path / "store"), "--control", "long"]) == 2
    assert "`--control` should be left out for `mine`" in capsys.readouterr().err


def test_an_empty_one_says_what_makes_its_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "multidigits", "--store", str(tmp_path)]) == 0
    expected = "no finished run of `multidigits` at a best value of its own; `mtlbench reproduce multidigits` makes"
    assert expected in capsys.readouterr().err


def test_a_submission_to_such_a_board_is_refused() -> None:
    from bench.execution.submission_plan import choose_submission_board

    with pytest.raises(UsageError, match=r"methods run as they come\. `best` has each at its own best value"):
        choose_submission_board("toy", None, {"best": BOARD})
    plain = BOARD.model_copy(update={"name": "toy", "curve": None})
    assert choose_submission_board("toy", None, {"best": BOARD, "toy": plain}) == plain
    with pytest.raises(UsageError, match=r"run as they come, such as `toy`\. `best` has each"):
        choose_submission_board("toy", "best", {"best": BOARD, "toy": plain})


def test_the_default_board_has_most_seeds_of_those_under_the_newest_protocol() -> None:
    from bench.execution.submission_plan import choose_submission_board

    plain = BOARD.model_copy(update={"curve": None, "suite": "multidigits"})
    changes = {
        "few": {"seeds": "0-4", "protocol": 2},
        "many": {"seeds": "0-9", "protocol": 2},
        "old": {"seeds": "0-29", "protocol": 1},
    }
    known = {name: plain.model_copy(update={"name": name, **change}) for name, change in changes.items()}
    best = BOARD.model_copy(update={"suite": "multidigits", "seeds": "20-99", "protocol": 2})
    assert choose_submission_board("multidigits", None, {"best": best, **known}).name == "many"
    assert choose_submission_board("multidigits", "old", known).name == "old"
    assert choose_submission_board("multidigits", None, {"old": known["old"]}).name == "old"
    assert choose_submission_board("multidigits", None, boards_module.boards()).name == "multidigits_open"
