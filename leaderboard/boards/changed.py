"""Runs under settings of the user's own (`--set`): on no board, shown by `mtlbench table --where`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bench.records import ResultRecord

Settings = Mapping[str, Any]


def settings_counts(records: Iterable[ResultRecord], suites: Iterable[str]) -> dict[tuple[tuple[str, str], ...], int]:
    """Settings, as sorted pairs -> finished runs of `suites` with exactly these; the commonest first.

    Runs of searches are left out: they have a track of their own.
    """
    names = set(suites)
    own = [r for r in records if names & {r.suite, r.spec.suite} and r.status == "done" and r.spec.tuning is None]
    counts = Counter(pairs_of(run.spec.overrides) for run in own if run.spec.overrides)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def select_changed(records: Iterable[ResultRecord], where: Settings) -> list[ResultRecord]:
    """The runs whose settings differ from their suite's in exactly `where`, as if that were the suite's protocol."""
    return [
        record.model_copy(update={"spec": record.spec.model_copy(update={"overrides": {}})})
        for record in records
        if record.spec.tuning is None and _equal(record.spec.overrides, where)
    ]


def pairs_of(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Settings as `--set` takes them, by name."""
    return tuple(sorted((key, _text(value)) for key, value in settings.items()))


def options_text(option: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Pairs as words of a command: `--where epochs=1 --where lr=0.01`."""
    return " ".join(f"{option} {key}={value}" for key, value in pairs)


def _equal(found: Settings, wanted: Settings) -> bool:
    """Whether two groups of settings have the same keys, and values that are the same as numbers or as texts."""
    return found.keys() == wanted.keys() and all(_same(_text(found[key]), _text(wanted[key])) for key in found)


def _same(text: str, other: str) -> bool:
    """Whether two texts are one value: `0.010` is 0.01."""
    try:
        return text == other or float(text) == float(other)
    except ValueError:
        return False


def _text(value: Any) -> str:
    """A value as `--set` takes it: a list is joined by slashes."""
    return "/".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
