"""Data that the runner reads once and hands to all workers of this machine."""

from pathlib import Path

from bench.core.resident import ResidentRows
from bench.engines.local import call_apart
from bench.planning.plan import parse_suite


def read_shared_rows(suites: set[str], data_dir: Path) -> dict[str, ResidentRows]:
    """suite -> its data, read once for all workers, where it is of that kind.

    It is read in a process that has loaded no plug-in: what one does on import is not done to the rows of others.
    """
    shared: dict[str, ResidentRows] = {}
    for name in sorted(suites):
        choice, suite = parse_suite(name, data_dir)
        if suite.resident and not choice.entry.code:
            rows = call_apart(_read, name, data_dir)
            shared |= {name: rows} if rows is not None else {}
    return shared


def _read(suite: str, data_dir: Path) -> ResidentRows | None:
    return ResidentRows.read(parse_suite(suite, data_dir)[1])
