"""Which records may stand in one table: one protocol, one version, one text of the code, one checksum of the data."""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from bench.errors import make_printable
from bench.records import ResultRecord, canonical_json
from leaderboard.boards.board import Board

NAMED_FAILURES = 5
MAX_WHY = 500  # characters


@dataclass(frozen=True)
class Comparable:
    """The finished records of a board, at most one per method and seed, and sentences about the others."""

    records: dict[tuple[str, int], ResultRecord]
    notes: list[str]


def select_records(board: Board, records: Iterable[ResultRecord]) -> Comparable:
    """Choose the records of `board`.

    Only finished runs without overrides count. Where a plug-in was edited, only runs of the text that was run last do,
    also where none of them was finished. Where a store holds several versions, the highest (protocol version, suite
    version) is used; among equals, the largest group with one protocol, suite and data checksum; then the highest
    versions of each method. Everything left out is counted.
    """
    notes: list[str] = []
    own = [r for r in records if board.suite in (r.suite, r.spec.suite) and r.spec.tuning is None]
    plain = [record for record in own if not record.spec.overrides]
    _count(notes, len(own) - len(plain), "with overrides (`--set`, `--control`)")
    methods, seeds = set(board.methods), set(board.seed_list)
    wanted = [record for record in plain if record.method in methods and record.spec.seed in seeds]
    wanted = of_one_code(wanted, notes=notes)
    done = [record for record in wanted if record.status == "done"]

    newest = max((_versions(record) for record in done), default=None)
    current = [record for record in done if _versions(record) == newest]
    _count(notes, len(done) - len(current), "of an older protocol or suite version")

    group = _largest(current, _group)
    _count(notes, len(current) - len(group), "of another protocol or data checksum than the largest group")

    chosen: dict[tuple[str, int], ResultRecord] = {}
    by_method: dict[str, list[ResultRecord]] = {method: [] for method in board.methods}
    for record in group:
        by_method[record.method].append(record)
    for method, runs in by_method.items():
        latest = max((_method_versions(record) for record in runs), default=None)
        kept = _largest([run for run in runs if _method_versions(run) == latest], lambda record: record.spec.method)
        _count(notes, len(runs) - len(kept), f"of an older version of `{method}`")
        chosen |= {(method, record.spec.seed): record for record in kept}

    if any(not record.spec.protocol.ranked for record in chosen.values()):
        notes.append("Not ranked: a protocol or a set of data that stands beside published numbers or for trial only.")
    failed = [record for record in wanted if record.error and (record.method, record.spec.seed) not in chosen]
    for record in failed[:NAMED_FAILURES]:
        why = make_printable(f"{record.error.type}: {record.error.message}", MAX_WHY) if record.error else ""
        notes.append(f"Failed run, not counted: `{record.method}`, seed {record.spec.seed}: {why}.")
    if len(failed) > NAMED_FAILURES:
        notes.append(f"{len(failed) - NAMED_FAILURES} further failed runs not counted.")
    return Comparable(chosen, notes)


def of_one_code(
    records: Iterable[ResultRecord],
    apart: Callable[[ResultRecord], Hashable] = lambda record: record.spec.suite,
    notes: list[str] | None = None,
) -> list[ResultRecord]:
    """Those whose parts all have the source that was run last, of records that are the same `apart`.

    A plug-in that is edited is another method under the same name. Records from before its source was noted have none,
    which is one more text. `notes` gets a sentence for each method that has runs of another text.
    """
    kept, last = list(records), dict[tuple[Hashable, str], tuple[str, str]]()
    for record in kept:
        for part in record.spec.versions:
            made = record.created, record.spec.code.get(part, "")
            last[apart(record), part] = max(last.get((apart(record), part), made), made)

    def is_last(record: ResultRecord) -> bool:
        code = record.spec.code
        return all(code.get(part, "") == last[apart(record), part][1] for part in record.spec.versions)

    if notes is not None:
        for method, count in Counter(record.method for record in kept if not is_last(record)).items():
            _count(notes, count, f"of `{method}`, made by another text of its plug-in than the one that was run last")
    return [record for record in kept if is_last(record)]


def newest(records: list[ResultRecord]) -> list[ResultRecord]:
    """Those of the highest (protocol version, suite version), and of these the largest group with one data checksum."""
    versions = max((_versions(record) for record in records), default=None)
    return _largest(
        [r for r in records if _versions(r) == versions], lambda record: (record.spec.suite, record.spec.data)
    )


def latest(records: list[ResultRecord], key: Callable[[ResultRecord], Hashable]) -> list[ResultRecord]:
    """Of the records that share a `key`, those of the highest versions of their method."""
    highest: dict[Hashable, list[tuple[str, int]]] = {}
    for record in records:
        highest[key(record)] = max(highest.get(key(record), []), _method_versions(record))
    return [record for record in records if _method_versions(record) == highest[key(record)]]


def protocol_text(record: ResultRecord) -> str:
    """The one text of a record's protocol."""
    return _canonical(record.spec.protocol.model_dump_json())


@lru_cache(maxsize=1024)
def _canonical(text: str) -> str:
    return canonical_json(json.loads(text))  # thousands of records have a few protocols


def _versions(record: ResultRecord) -> tuple[int, int]:
    suite = [version for part, version in record.spec.versions.items() if part.startswith("suite/")]
    return record.spec.protocol.version, max(suite, default=0)


def _method_versions(record: ResultRecord) -> list[tuple[str, int]]:
    return sorted(item for item in record.spec.versions.items() if not item[0].startswith("suite/"))


def _group(record: ResultRecord) -> Hashable:
    spec = record.spec
    return spec.suite, spec.data, protocol_text(record), tuple(record.tasks)


def _largest(records: list[ResultRecord], key: Callable[[ResultRecord], Hashable]) -> list[ResultRecord]:
    """The records with the commonest `key`; a draw goes to the greater key, so that the order of files is no matter."""
    counts = Counter(key(record) for record in records)
    if len(counts) < 2:
        return records
    best = max(counts, key=lambda item: (counts[item], str(item)))
    return [record for record in records if key(record) == best]


def _count(notes: list[str], count: int, why: str) -> None:
    if count:
        notes.append(f"{count} record{'s' if count > 1 else ''} left out: {why}.")
