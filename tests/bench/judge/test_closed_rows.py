"""Rows are closed to a method, and open to the rules on a suite."""

from pathlib import Path

import pytest

import tests.plugins
from bench.cli.check import check_confined, read_source
from bench.core.suite import Split
from bench.errors import UsageError
from bench.judge.limits import Limits
from bench.judge.rows import close_splits
from suites.linear_synthetic import LinearSynthetic


def test_closed_rows_are_given_back() -> None:
    suite = LinearSynthetic()
    before = dict(vars(LinearSynthetic))

    def count_rows(split: Split) -> int:
        return len(suite.dataset(split, 0).targets[suite.tasks[0].name])

    rows = {"train": count_rows("train"), "test": count_rows("test")}
    with close_splits({"train"}):
        assert count_rows("train") == rows["train"]
        assert suite.known_weights(0) is None
        with pytest.raises(UsageError, match="Found a call of `dataset` for `test`"):
            count_rows("test")
    assert count_rows("test") == rows["test"]
    assert suite.known_weights(0) is not None
    assert dict(vars(LinearSynthetic)) == before


def test_a_suite_built_on_a_built_in_one_keeps_the_contract() -> None:
    file = read_source(Path(tests.plugins.__path__[0]) / "absolute.py")
    outcomes = check_confined([file], "", None, Limits(seconds=600))
    assert [outcome for outcome in outcomes if not outcome["passed"]] == []
    of_suite = [outcome["rule"] for outcome in outcomes if outcome["subject"] == "suite/absolute"]
    assert of_suite[-1] == "trains"
