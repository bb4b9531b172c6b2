"""Which records may be compared: the same source, versions, protocol and data.

Filters over lists of records, which callers combine: `record_selection` for boards, `leaderboard.analysis` for dials
and relatedness. None of them looks at a score.
"""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache

from bench.errors import count_nouns
from bench.records import ResultRecord, canonical_json


def keep_last_code(
    records: Iterable[ResultRecord],
    apart: Callable[[ResultRecord], Hashable] = lambda record: record.spec.suite,
    notes: list[str] | None = None,
) -> list[ResultRecord]:
    """Keep the records all of whose parts have the source that was run last.

    A plug-in that was edited is another method under the same name. Records older than the `code` field count as one
    more source.

    Args:
        records: in any order; the time they were created decides which source is last.
        apart: records with different values are judged separately; by default those of different suites.
        notes: gets a sentence for each method with runs of another source.
    """
    kept, last = list(records), dict[tuple[Hashable, str], tuple[str, str]]()
    for record in kept:
        for part in record.spec.versions:
            source = record.created, record.spec.code.get(part, "")
            last[apart(record), part] = max(last.get((apart(record), part), source), source)

    def is_last(record: ResultRecord) -> bool:
        """Whether every part of a run has the source that was run last."""
        code = record.spec.code
        return all(code.get(part, "") == last[apart(record), part][1] for part in record.spec.versions)

    if notes is not None:
        for method, count in Counter(record.method for record in kept if not is_last(record)).items():
            count_left_out(notes, count, f"runs of `{method}` made with an older version of a plug-in file")
    return [record for record in kept if is_last(record)]


def keep_newest_suite(records: list[ResultRecord]) -> list[ResultRecord]:
    """The records with the highest (protocol version, suite version); of these the largest group with one checksum."""
    versions = max((suite_versions(record) for record in records), default=None)
    return keep_largest_group(
        [r for r in records if suite_versions(r) == versions], lambda record: (record.spec.suite, record.spec.data)
    )


def keep_newest_methods(records: list[ResultRecord], key: Callable[[ResultRecord], Hashable]) -> list[ResultRecord]:
    """Of the records that share a `key`, those with the highest versions of the method's parts."""
    highest: dict[Hashable, list[tuple[str, int]]] = {}
    for record in records:
        highest[key(record)] = max(highest.get(key(record), []), method_versions(record))
    return [record for record in records if method_versions(record) == highest[key(record)]]


def keep_largest_group(records: list[ResultRecord], key: Callable[[ResultRecord], Hashable]) -> list[ResultRecord]:
    """The records with the commonest `key`.

    Of equally large groups the one with the greater key is kept, so that the order of files does not matter.
    """
    counts = Counter(key(record) for record in records)
    if len(counts) < 2:
        return records
    # The text decides a draw: a key may hold values without an order.
    best = max(counts, key=lambda item: (counts[item], str(item)))
    return [record for record in records if key(record) == best]


def conditions_of(record: ResultRecord) -> Hashable:
    """What all runs of one table share: suite with its options, data checksum, every setting, order of tasks."""
    spec = record.spec
    return spec.suite, spec.data, protocol_text(record), tuple(record.tasks)


def protocol_text(record: ResultRecord) -> str:
    """A record's protocol as canonical JSON: equal protocols have equal texts."""
    return _canonical(record.spec.protocol.model_dump_json())


def suite_versions(record: ResultRecord) -> tuple[int, int]:
    """(protocol version, suite version): the greater of two is the newer, whatever the method."""
    suite = [version for part, version in record.spec.versions.items() if part.startswith("suite/")]
    return record.spec.protocol.version, max(suite, default=0)


def method_versions(record: ResultRecord) -> list[tuple[str, int]]:
    """(part, version) of the parts of a record's method, by name."""
    return sorted(item for item in record.spec.versions.items() if not item[0].startswith("suite/"))


def count_left_out(notes: list[str], count: int, why: str) -> None:
    """Add a sentence to `notes` where any records were left out."""
    if count:
        notes.append(f"{count_nouns(count, 'record')} left out: {why}.")


@lru_cache(maxsize=1024)
def _canonical(text: str) -> str:
    """JSON with sorted keys and one way to write numbers."""
    # Cached: thousands of records have a few protocols.
    return canonical_json(json.loads(text))
