"""Runs with changed settings (`--set`): on no board, shown by `mtlbench table --where`.

Settings are compared as people type them, since records and command lines write the same number differently.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bench.records import ResultRecord

# As records keep overrides: numbers, texts and lists, not yet as texts.
Settings = Mapping[str, Any]


def settings_counts(records: Iterable[ResultRecord], suites: Iterable[str]) -> dict[tuple[tuple[str, str], ...], int]:
    """Count the finished runs of `suites` by their changed settings.

    Args:
        records: everything that is stored; runs of searches are skipped, as they have a track of their own.
        suites: short or canonical names.

    Returns:
        Sorted (name, text) pairs -> number of runs with exactly these settings, the commonest first.
    """
    names = set(suites)
    own = [r for r in records if names & {r.suite, r.spec.suite} and r.status == "done" and r.spec.tuning is None]
    counts = Counter(pairs_of(run.spec.overrides) for run in own if run.spec.overrides)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def select_changed(records: Iterable[ResultRecord], where: Settings) -> list[ResultRecord]:
    """The runs whose changed settings are exactly `where`, with their overrides removed.

    Without overrides they pass for runs under the suite's protocol, so that a board can show them.
    """
    return [
        record.model_copy(update={"spec": record.spec.model_copy(update={"overrides": {}})})
        for record in records
        if record.spec.tuning is None and _equal(record.spec.overrides, where)
    ]


def pairs_of(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Settings as sorted pairs of a name and the text that `--set` takes."""
    return tuple(sorted((key, _text(value)) for key, value in settings.items()))


def options_text(option: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Pairs as words of a command line, quoted for a shell: `--where epochs=1 --where lr=0.01`."""
    return " ".join(f"{option} {shlex.quote(f'{key}={value}')}" for key, value in pairs)


def _equal(stored: Settings, wanted: Settings) -> bool:
    """Whether two sets of settings have the same keys and equal values."""
    return stored.keys() == wanted.keys() and all(_same(_text(stored[key]), _text(wanted[key])) for key in stored)


def _same(text: str, other: str) -> bool:
    """Whether two texts are the same value, as numbers if both are: `0.010` is `0.01`."""
    try:
        return text == other or float(text) == float(other)
    except ValueError:
        return False


def _text(value: Any) -> str:
    """A value as `--set` takes it: a list is joined by slashes."""
    return "/".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
