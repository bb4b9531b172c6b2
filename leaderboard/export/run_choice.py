"""Which runs of a store are asked for: those of a suite, of methods, or all."""

from collections.abc import Callable, Collection, Iterable, Sequence

from bench.errors import UsageError, hint
from bench.records import ResultRecord


def choose_runs(
    records: Sequence[ResultRecord],
    suite: str | None,
    methods: Collection[str],
    read_all: Callable[[], Iterable[ResultRecord]],
    command: str,
) -> tuple[Sequence[ResultRecord], Sequence[ResultRecord]]:
    """The runs of a suite by some methods, and all runs of the suite, among which their references are.

    Args:
        records: those of the store, or at least all of the suite.
        suite: its short or canonical name; None for all.
        methods: their short or canonical names; none for all.
        read_all: reads the whole store, for the nearest suite in an error.
        command: what lists the rest of the choices, for errors.

    Raises:
        UsageError: no run is of the suite, or of one of the methods; the sentence has the nearest.
    """
    own = records if suite is None else [each for each in records if suite in (each.suite, each.spec.suite)]
    if suite is not None and not own:
        raise _refuse("suite", suite, {each.suite for each in read_all()}, command)
    wanted = set(methods)
    known = {name for each in own for name in (each.method, each.spec.method)} if wanted else set()
    for name in sorted(wanted - known):
        raise _refuse("method", name, {each.method for each in own}, command)
    return ([each for each in own if wanted & {each.method, each.spec.method}] if wanted else own), own


def _refuse(what: str, name: str, known: Collection[str], command: str) -> UsageError:
    """The error about a suite or a method that no run is of."""
    return UsageError(f"`{what}` should be one that runs are of. Found `{name}`; {hint(name, known, command)}.")
