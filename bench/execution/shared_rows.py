"""Data that the runner reads once and hands to all workers of this machine.

Without it each worker would read a suite's rows into memory of its own.
"""

from pathlib import Path

from bench.core.resident import ResidentRows
from bench.engines.local import call_in_clean_process
from bench.planning.plan import parse_suite


def read_shared_rows(suites: set[str], data_dir: Path) -> dict[str, ResidentRows]:
    """suite -> its data in shared memory, for suites that are `resident` and built in.

    It is read in a process that has loaded no plug-in: one may change what reading gives. A suite whose data cannot be
    read here is left out; its workers read it, and say what is wrong.
    """
    shared: dict[str, ResidentRows] = {}
    for name in sorted(suites):
        choice, suite = parse_suite(name, data_dir)
        # A suite of a plug-in could not be read in a process without plug-ins.
        if suite.resident and not choice.entry.code:
            rows = call_in_clean_process(_read, name, data_dir)
            shared |= {name: rows} if rows is not None else {}
    return shared


def _read(suite: str, data_dir: Path) -> ResidentRows | None:
    """Runs in that process; None where the rows cannot be shared."""
    return ResidentRows.read(parse_suite(suite, data_dir)[1])
