"""Which records may be compared: one text of the code, one version, one protocol, one checksum of the data."""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache

from bench.records import ResultRecord, canonical_json


def keep_last_code(
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
        """Whether every part of a run has the source that was run last."""
        code = record.spec.code
        return all(code.get(part, "") == last[apart(record), part][1] for part in record.spec.versions)

    if notes is not None:
        for method, count in Counter(record.method for record in kept if not is_last(record)).items():
            count_left_out(notes, count, f"runs of `{method}` made with an older version of a plug-in file")
    return [record for record in kept if is_last(record)]


def keep_newest_suite(records: list[ResultRecord]) -> list[ResultRecord]:
    """Those of the highest (protocol version, suite version), and of these the largest group with one data checksum."""
    versions = max((suite_versions(record) for record in records), default=None)
    return keep_largest_group(
        [r for r in records if suite_versions(r) == versions], lambda record: (record.spec.suite, record.spec.data)
    )


def keep_newest_methods(records: list[ResultRecord], key: Callable[[ResultRecord], Hashable]) -> list[ResultRecord]:
    """Of the records that share a `key`, those of the highest versions of their method."""
    highest: dict[Hashable, list[tuple[str, int]]] = {}
    for record in records:
        highest[key(record)] = max(highest.get(key(record), []), method_versions(record))
    return [record for record in records if method_versions(record) == highest[key(record)]]


def keep_largest_group(records: list[ResultRecord], key: Callable[[ResultRecord], Hashable]) -> list[ResultRecord]:
    """The records with the commonest `key`; a draw goes to the greater key, so that the order of files is no matter."""
    counts = Counter(key(record) for record in records)
    if len(counts) < 2:
        return records
    best = max(counts, key=lambda item: (counts[item], str(item)))
    return [record for record in records if key(record) == best]


def conditions_of(record: ResultRecord) -> Hashable:
    """What two runs of one table have in common: suite with its options, data, every setting, tasks in their order."""
    spec = record.spec
    return spec.suite, spec.data, protocol_text(record), tuple(record.tasks)


def protocol_text(record: ResultRecord) -> str:
    """The one text of a record's protocol."""
    return _canonical(record.spec.protocol.model_dump_json())


def suite_versions(record: ResultRecord) -> tuple[int, int]:
    """(protocol version, suite version): what makes a run older than another one, whatever its method."""
    suite = [version for part, version in record.spec.versions.items() if part.startswith("suite/")]
    return record.spec.protocol.version, max(suite, default=0)


def method_versions(record: ResultRecord) -> list[tuple[str, int]]:
    """(part, version) of the parts of its method, by name."""
    return sorted(item for item in record.spec.versions.items() if not item[0].startswith("suite/"))


def count_left_out(notes: list[str], count: int, why: str) -> None:
    """Add a sentence to `notes` where any records were left out."""
    if count:
        notes.append(f"{count} record{'s' if count > 1 else ''} left out: {why}.")


@lru_cache(maxsize=1024)
def _canonical(text: str) -> str:
    """JSON with sorted keys; equal protocols have equal texts."""
    return canonical_json(json.loads(text))  # thousands of records have a few protocols
