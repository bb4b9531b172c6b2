"""What changed, day by day, from the times of records and of the ledger."""

from collections.abc import Callable
from pathlib import Path

from bench.records import ResultRecord
from leaderboard.store import Store
from leaderboard.trust.history import BoardDay, CheckedDay, count_checked_days, list_board_days, list_protocol_starts
from leaderboard.trust.ledger import LedgerEntry, VerificationState, read_dated_checks, write_checks

MakeRecord = Callable[..., ResultRecord]


def at(day: str, record: ResultRecord) -> ResultRecord:
    return record.model_copy(update={"created": f"{day}T10:00:00+00:00" if day else ""}).seal()


def test_a_method_is_new_on_the_day_of_its_first_run(make_record: MakeRecord) -> None:
    runs = [
        at("2026-03-02", make_record("hard", 0)),
        at("2026-03-01", make_record("hard", 1)),
        at("2026-03-02", make_record("single_task", 0)),
        at("", make_record("mmoe", 0)),
    ]
    days = list_board_days({(run.method, run.spec.seed): run for run in runs})
    assert list(days.items()) == [("2026-03-02", BoardDay(2, ["single_task"])), ("2026-03-01", BoardDay(1, ["hard"]))]


def test_a_later_version_of_a_protocol_is_a_change_and_the_first_is_none(make_record: MakeRecord) -> None:
    runs = [
        at("2026-03-01", make_record(version=1)),
        at("2026-03-05", make_record(version=2, seed=1)),
        at("2026-03-04", make_record(version=2)),
        at("2026-03-09", make_record(suite="other:size=2", version=3)),
    ]
    assert list_protocol_starts(runs) == {"2026-03-04": [("toy", 2)]}


def test_what_was_verified_has_the_day_of_its_file(make_record: MakeRecord, tmp_path: Path) -> None:
    store, records = Store(tmp_path), [make_record(seed=seed) for seed in range(3)]
    for record in records:
        store.write(record)

    def entry(record: ResultRecord, state: VerificationState) -> LedgerEntry:
        return LedgerEntry(record.run_id, record.digest, state, "so", "test")

    first = write_checks(tmp_path, [entry(record, "valid") for record in records])
    second = write_checks(tmp_path, [entry(records[0], "rerun"), entry(records[1], "reported")])
    assert first
    assert second
    first.rename(first.with_name(f"20260301T000000.000000Z-{first.name.rpartition('-')[2]}"))
    second.rename(second.with_name(f"20260302T000000.000000Z-{second.name.rpartition('-')[2]}"))
    counts = count_checked_days(read_dated_checks(tmp_path), [record.digest for record in records])
    assert counts == {"2026-03-01": CheckedDay(0, 3, 0), "2026-03-02": CheckedDay(1, 0, 1)}
    assert count_checked_days(read_dated_checks(tmp_path), []) == {}  # of records that are gone nothing is told
    assert list(read_dated_checks(None)) == []
