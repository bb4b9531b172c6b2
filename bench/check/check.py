"""From a kind and a name to the outcomes of its rules."""

from collections.abc import Callable, Iterator
from pathlib import Path

from bench.catalogue.own_sets import choose_suite
from bench.catalogue.registry import Entry, choose
from bench.check import backbone, constraint, sharing, suite, weighting
from bench.check.outcome import RuleOutcome
from bench.records import Call

_CHECKS: dict[str, Callable[[Entry, Path | None], Iterator[RuleOutcome]]] = {
    "sharing": lambda entry, _: sharing.check(entry),
    "constraint": lambda entry, _: constraint.check(entry),
    "weighting": lambda entry, _: weighting.check(entry),
    "suite": suite.check,
    "backbone": lambda entry, _: backbone.check(entry),
}


def check(kind: str, name: str, data_dir: Path | None = None) -> Iterator[RuleOutcome]:
    """Every rule on what is registered as `name`, or on an own data set, one by one as they are run.

    kind: sharing, constraint, weighting, suite or backbone.
    data_dir: where a suite's data is looked for; rules on rows are skipped where it is missing.

    Raises UsageError with the nearest names where there is none.
    """
    call = Call(name)
    yield from check_entry((choose_suite(call, data_dir) if kind == "suite" else choose(kind, call)).entry, data_dir)


def check_entry(entry: Entry, data_dir: Path | None = None) -> Iterator[RuleOutcome]:
    """Every rule on a class, registered or not; otherwise as `check`."""
    yield from _CHECKS[entry.kind](entry, data_dir)
