"""The records that `benchmarks.scale` makes up are as good as those of runs."""

from benchmarks.made_up import METHODS, SUITES, make_board, make_record
from leaderboard.intake.soundness import find_further_problems


def test_made_up_records_pass_every_check():
    for suite in SUITES:
        record = make_record(suite, "cross_stitch", 3)
        assert record.find_problems() == []
        assert find_further_problems(record) == []


def test_one_board_has_as_many_methods_and_seeds_as_it_should():
    records = list(make_board(methods=60, seeds=2))
    assert len({record.run_id for record in records}) == 120
    assert len({record.method for record in records}) == 60 > len(METHODS)
    assert {record.spec.seed for record in records} == {0, 1}
    assert {record.suite for record in records} == {SUITES[0].name}
