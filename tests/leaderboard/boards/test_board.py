from types import SimpleNamespace

import pytest

from bench.catalogue.method import Method
from leaderboard.boards.board import board_of_suite, boards, load_board
from leaderboard.boards.record_selection import select_records


def test_committed_boards_have_the_reference_first():
    found = boards()
    assert {"demo", "multidigits", "multidigits_1"} <= set(found)
    for name, board in found.items():
        assert board == load_board(name)
        assert board.name == name
        assert board.methods[0] == board.reference
        assert set(board.labels) <= set(board.methods)
        assert len(board.seed_list) >= 5
    assert found["multidigits_1"].seed_list == list(range(10))


def test_methods_of_committed_boards_are_written_as_records_have_them():
    """A row of another spelling would stay empty: its runs would be those of the short one."""
    methods = {method for board in boards().values() for part in board.parts for method in part.methods}
    assert {method: Method.parse(method).short for method in methods} == {method: method for method in methods}


@pytest.mark.parametrize("version", [1, 2])
def test_a_board_of_a_version_shows_its_own_runs_whatever_else_is_stored(make_record, version):
    methods = ("single_task", "hard")
    runs = {n: [make_record(method, seed, version=n) for method in methods for seed in range(2)] for n in (1, 2)}
    records = runs[1] + runs[2][:3]
    board = board_of_suite("toy", records)
    assert list(select_records(board, records).records.values()) == runs[2][:3]  # what is newest, by default
    board = board.model_copy(update={"protocol": version})
    chosen = select_records(board, records)
    assert list(chosen.records.values()) == [run for run in runs[version] if run in records]
    assert chosen.notes == []
    assert select_records(board, runs[3 - version]).records == {}


def test_an_unknown_board_gets_the_nearest_names():
    with pytest.raises(ValueError, match="no table `multimnits_1`; the nearest: `multimnist_1`"):
        load_board("multimnits_1")


@pytest.mark.parametrize(
    "change",
    ['seeds = "4-0"', "version = 0", 'colour = "red"', 'methods = ["hard", "hard"]', "methods = 3", "= broken"],
)
def test_a_malformed_board_is_refused_by_name(tmp_path, change):
    text = 'title = "T"\nversion = 1\nsuite = "s"\nmethods = ["a"]\nseeds = "0"'
    lines = {line.split(" ")[0]: line for line in text.split("\n")}
    (tmp_path / "good.toml").write_text(text)
    assert load_board("good", tmp_path).methods == ["a"]
    lines[change.split(" ")[0]] = change
    (tmp_path / "mine.toml").write_text("\n".join(lines.values()))
    with pytest.raises(ValueError, match=r"The table `mine\.toml` should be a valid board"):
        load_board("mine", tmp_path)


def test_a_board_of_a_suite_is_the_union_with_the_reference_first(make_record):
    records = [
        make_record(method, seed)
        for method, seed in (("hard", 0), ("single_task", 1), ("cross_stitch", 2), ("hard", 7))
    ]
    records += [
        make_record("soft+l2", 0, failed=True),
        make_record("hard_wide", 3, overrides={"lr": 0.2}),
        make_record(suite="other", seed=9),
    ]
    board = board_of_suite("toy", records)
    assert board.methods == ["single_task", "cross_stitch", "hard", "soft+l2"]
    assert board.seeds == "0-2,7"
    assert board_of_suite("toy:size=1", records) == board
    assert board_of_suite("nothing", records).methods == []


def test_a_board_of_a_suite_may_have_more_seeds_than_one_run_of_a_text(make_record):
    one = make_record("hard")
    spec = {"suite": one.spec.suite, "overrides": {}, "tuning": None}
    records = [
        SimpleNamespace(suite="toy", method="hard", spec=SimpleNamespace(seed=seed, **spec))
        for seed in (*range(10_001), 99_999)
    ]
    board = board_of_suite("toy", records)
    assert board.seeds == "0-9999,10000,99999"
    assert board.seed_list == [*range(10_001), 99_999]


def test_a_table_may_have_parts_over_several_suites(tmp_path):
    (tmp_path / "both.toml").write_text(
        'title = "T"\nversion = 1\nsuite = "s"\nmethods = ["a", "b"]\nseeds = "0-4"\n'
        '[[also]]\ntitle = "U"\nsuite = "z"\nseeds = "0-2"\n'
    )
    first, second = load_board("both", tmp_path).parts
    assert (first.name, first.title, first.suite, first.methods, first.seeds) == ("both", "T", "s", ["a", "b"], "0-4")
    assert (second.name, second.title, second.suite, second.methods, second.seeds) == (
        "both",
        "U",
        "z",
        ["a", "b"],
        "0-2",
    )
