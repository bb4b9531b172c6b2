"""Runs of a plug-in that was edited: no row, dial, pair or search is made of two texts."""

from collections.abc import Callable

import pytest

from bench.records import ResultRecord
from bench.records.spec import Tuning
from leaderboard.analysis.dials import find_dials
from leaderboard.analysis.relatedness import estimate_relatedness
from leaderboard.boards.board import Board, board_of_suite
from leaderboard.boards.comparability import keep_last_code
from leaderboard.boards.record_selection import select_records

OLD, NEW = ("2024-01-01T00:00:00+00:00", "a" * 64), ("2024-01-02T00:00:00+00:00", "b" * 64)
PARTS = {"suite/toy": 1, "sharing/mine": 1}
BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "mine"], seeds="0-2")
Make = Callable[..., ResultRecord]


def by(record: ResultRecord, text: tuple[str, str], part: str = "sharing/mine", **spec: object) -> ResultRecord:
    """`record` as a run of a plug-in's text, made at its time."""
    changed = record.spec.vary(code={part: text[1]} if text[1] else {}, **spec)
    return record.model_copy(update={"spec": changed, "run_id": changed.run_id, "created": text[0]}).seal()


def test_a_row_is_of_the_text_that_was_run_last(make_record: Make) -> None:
    """Seeds of the old text do not fill it up, whatever the order of the files."""
    old = [by(make_record("mine", seed, versions=PARTS), OLD) for seed in range(3)]
    new = [by(make_record("mine", seed, versions=PARTS), NEW) for seed in (1, 2)]
    base = [make_record(seed=seed) for seed in range(3)]
    for records in ([*old, *new, *base], [*base, *new, *old]):
        found = select_records(BOARD, records)
        assert {key: run.run_id for key, run in found.records.items() if key[0] == "mine"} == {
            ("mine", run.spec.seed): run.run_id for run in new
        }
        assert sum(method == "single_task" for method, _ in found.records) == 3
        assert found.notes == ["3 records left out: runs of `mine` made with an older version of a plug-in file."]


def test_runs_from_before_the_text_was_noted_are_another_text(make_record: Make) -> None:
    before = [by(make_record("mine", seed, versions=PARTS), (OLD[0], "")) for seed in range(3)]
    assert len(select_records(BOARD, before).records) == 3
    new = by(make_record("mine", 0, versions=PARTS), NEW)
    assert list(select_records(BOARD, [*before, new]).records.values()) == [new]


def test_a_text_whose_runs_all_failed_leaves_no_row(make_record: Make) -> None:
    """The numbers of the old one would stand as those of the new one."""
    old = by(make_record("mine", 0, versions=PARTS), OLD)
    new = by(make_record("mine", 0, versions=PARTS, failed=True), NEW)
    found = select_records(BOARD, [old, new])
    assert found.records == {}
    assert any("Failed run, not counted: `mine`" in note for note in found.notes)


def test_another_text_of_a_suite_is_another_suite(make_record: Make) -> None:
    old = [by(make_record(seed=seed), OLD, "suite/toy") for seed in range(3)]
    new = by(make_record("mine", versions=PARTS), NEW, "suite/toy")
    assert list(select_records(BOARD, [*old, new]).records) == [("mine", 0)]


def test_texts_are_told_apart_suite_by_suite(make_record: Make) -> None:
    here = by(make_record("mine", versions=PARTS), OLD)
    there = by(make_record("mine", versions=PARTS), NEW, suite="other")
    assert keep_last_code([here, there]) == [here, there]
    assert keep_last_code([here, there], apart=lambda record: None) == [there]


def test_a_dial_is_of_one_text(make_record: Make) -> None:
    def point(value: int, text: tuple[str, str]) -> ResultRecord:
        record = make_record(f"mine:own={value}", versions=PARTS)
        return by(record, text, method=f"mine:own={value}@uniform")

    old = [point(value, OLD) for value in range(4)]
    [dial] = find_dials(old)
    assert list(dial.points) == [3, 2, 1, 0]
    assert find_dials([*old, point(4, NEW)]) == []


def test_pairs_are_of_one_text(make_record: Make) -> None:
    def pair(seed: int, text: tuple[str, str]) -> list[ResultRecord]:
        plain = make_record("mine", seed, versions=PARTS)
        shuffled = make_record(
            "mine", seed, {"left": 90.0, "right": 90.0}, versions=PARTS, overrides={"shuffled": "right"},
            changed={"shuffled": ("right",)},
        )  # fmt: skip
        return [by(plain, text), by(shuffled, text)]

    old = [run for seed in (0, 1) for run in pair(seed, OLD)]
    assert estimate_relatedness(old)[0].seeds == 2
    assert estimate_relatedness([*old, *pair(2, NEW)])[0].seeds == 1


def test_a_search_is_of_one_text(make_record: Make) -> None:
    def trial(number: int, text: tuple[str, str]) -> ResultRecord:
        tuning = Tuning(of="mine", trial=number, stage="trial")
        return by(make_record("mine", 1000, versions=PARTS), text, tuning=tuning)

    board = BOARD.model_copy(update={"trials": 2})
    found = select_records(board, [trial(0, OLD), trial(1, OLD), trial(0, NEW)], "tuned")
    assert "`mine` has 1 of 2 trials: not counted." in found.notes
    assert any("2 records left out: runs of `mine` made with an older version" in note for note in found.notes)


def test_a_curve_over_sizes_is_of_one_text_of_the_suite(make_record: Make) -> None:
    def size(rows: int, text: tuple[str, str]) -> ResultRecord:
        splits = {"train": rows, "val": 50, "test": 10_000}
        record = make_record(suite=f"toy{rows}", changed={"splits": splits})
        return by(record, text, "suite/toy", suite=f"toy{rows}")

    board = board_of_suite("toy100", [size(100, OLD)]).model_copy(update={"series": ["toy50", "toy100", "toy200"]})
    assert list(select_records(board, [size(50, OLD), size(100, OLD)]).series) == ["toy50", "toy100"]
    assert list(select_records(board, [size(50, OLD), size(100, OLD), size(200, NEW)]).series) == ["toy200"]


@pytest.mark.parametrize("code", [{"sharing/x": "a" * 64}, {}])
def test_the_text_of_a_part_is_in_the_run_id_where_there_is_one(code: dict[str, str], make_record: Make) -> None:
    spec = make_record().spec
    assert (spec.vary(code=code).run_id == spec.run_id) == (not code)
