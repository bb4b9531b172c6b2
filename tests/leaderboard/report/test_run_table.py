"""The table with which `mtlbench run` ends: of the runs that were planned, and of the reference beside them."""

from collections.abc import Callable

import pytest

from bench.records import ResultRecord
from leaderboard.report.brief import write_brief
from leaderboard.report.run_table import tabulate_runs

MakeRecord = Callable[..., ResultRecord]


def make_runs(make_record: MakeRecord, method: str, gain: float, **more: object) -> list[ResultRecord]:
    return [make_record(method, seed, {"left": 90.0 + seed + gain}, **more) for seed in range(3)]


@pytest.fixture
def stored(make_record: MakeRecord) -> list[ResultRecord]:
    """Three methods under the protocol, two at another rate."""
    slow = {"overrides": {"lr": 0.5}, "changed": {"lr": 0.5}}
    plain = [
        each for gain, name in enumerate(("single_task", "hard", "mmoe")) for each in make_runs(make_record, name, gain)
    ]
    changed = [
        each for gain, name in enumerate(("single_task", "hard")) for each in make_runs(make_record, name, gain, **slow)
    ]
    return [*plain, *changed]


def test_only_what_was_planned_stands_there_beside_the_reference_on_its_seeds(stored: list[ResultRecord]) -> None:
    planned = [r.spec for r in stored if r.method == "hard" and not r.spec.overrides and r.spec.seed < 2]
    table = tabulate_runs(planned, stored)
    assert table is not None
    assert _seeds(table) == {"single_task": {0, 1}, "hard": {0, 1}}
    assert "mmoe" not in write_brief([table], 80)


def test_runs_under_other_settings_are_beside_the_reference_under_the_same(stored: list[ResultRecord]) -> None:
    planned = [record.spec for record in stored if record.method == "hard" and record.spec.overrides]
    table = tabulate_runs(planned, stored)
    assert table is not None
    assert table.board.title == "toy with lr=0.5"
    chosen = {record.run_id for record in table.results.records.values()}
    assert chosen == {r.run_id for r in stored if r.spec.protocol.lr == 0.5}


def test_nothing_is_printed_of_nothing(stored: list[ResultRecord], make_record: MakeRecord) -> None:
    assert tabulate_runs([], stored) is None
    assert tabulate_runs([make_record("hard", 7).spec], stored) is None
    failed = make_record("hard", 8, failed=True)
    assert tabulate_runs([failed.spec], [*stored, failed]) is None


def _seeds(table: object) -> dict[str, set[int]]:
    """method -> its seeds on the table."""
    found: dict[str, set[int]] = {}
    for method, seed in table.results.records:  # type: ignore[attr-defined]
        found.setdefault(method, set()).add(seed)
    return found
