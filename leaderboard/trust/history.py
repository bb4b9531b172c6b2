"""What changed, day by day, from what is recorded: when runs were made, and when they were verified."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench.records import ResultRecord
from leaderboard.trust.ledger import LedgerEntry

DAY = slice(10)  # of a time in ISO 8601


@dataclass
class BoardDay:
    """What came to a board on one day: the number of runs, and the methods that had none before."""

    runs: int = 0
    new_methods: list[str] = field(default_factory=list)


@dataclass
class CheckedDay:
    """Numbers of records that verification found on a day to be the same when run again, to follow, or to be wrong."""

    rerun: int = 0
    recomputed: int = 0
    contradicted: int = 0


def list_board_days(records: Mapping[tuple[str, int], ResultRecord]) -> dict[str, BoardDay]:
    """Day, as `2026-01-31` in UTC -> what came to a board, newest first; records without a time are left out.

    Args:
        records: (method, seed) -> the record in that cell.
    """
    days: dict[str, BoardDay] = {}
    begun: set[str] = set()
    for (method, _), record in sorted(records.items(), key=lambda item: (item[1].created, item[0])):
        if not record.created:
            continue
        day = days.setdefault(record.created[DAY], BoardDay())
        day.runs += 1
        if method not in begun:
            begun.add(method)
            day.new_methods.append(method)
    return dict(sorted(days.items(), reverse=True))


def list_protocol_starts(records: Iterable[ResultRecord]) -> dict[str, list[tuple[str, int]]]:
    """Day -> (suite, version) of each protocol whose first run was made then; first versions are no change."""
    first: dict[tuple[str, int], str] = {}
    for record in records:
        key, day = (record.suite.partition(":")[0], record.spec.protocol.version), record.created[DAY]
        if day and day < first.get(key, "~"):
            first[key] = day
    days: dict[str, list[tuple[str, int]]] = {}
    for (suite, version), day in sorted(first.items()):
        if version > min(number for name, number in first if name == suite):
            days.setdefault(day, []).append((suite, version))
    return days


def count_checked_days(dated: Iterable[tuple[str, LedgerEntry]], digests: Iterable[str]) -> dict[str, CheckedDay]:
    """Day -> what verification found out about records that are there, each counted once a day by its last finding.

    Args:
        dated: of `read_dated_checks`.
        digests: of the records.
    """
    there = set(digests)
    last = {(day, entry.digest): entry.state for day, entry in dated if entry.digest in there}
    counts: dict[str, Counter[str]] = {}
    for (day, _), state in last.items():
        counts.setdefault(day, Counter())[state] += 1
    return {day: CheckedDay(own["rerun"], own["valid"], own["reported"]) for day, own in counts.items()}
