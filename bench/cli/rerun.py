"""Trains stored cells again, and says whether what comes out is what is stored."""

import argparse
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.cli import options
from bench.errors import DataMissing, UsageError, shown
from bench.records import ResultRecord, digest
from leaderboard.compare import committed_of
from leaderboard.repeats import Outcome, judge
from leaderboard.store import Store


def rerun(sound: Sequence[ResultRecord], arguments: argparse.Namespace, code: Path | None) -> list[Outcome]:
    """Train random cells again, each in a worker process, into a store that is thrown away.

    `code` is that of a submission: it is imported in processes of its own only, under limits, and without the runs
    that it should come out with beside it.
    """
    from bench.isolated import scratch

    with scratch() as folder:
        drawn, errors = _apart(sound, arguments, code, folder) if code else _here(sound, arguments, folder)
        fresh = {stored.run_id: Store(folder / stored.run_id if code else folder).get(stored.spec) for stored in drawn}
    boards = {stored.suite.partition(":")[0] for stored in drawn}
    return judge(drawn, fresh, errors, [*sound, *(record for name in boards for record in committed_of(name))])


def _here(
    sound: Sequence[ResultRecord], arguments: argparse.Namespace, folder: Path
) -> tuple[list[ResultRecord], dict[str, str]]:
    """The cells that were drawn, run again in workers of this process; run id -> why one failed."""
    from bench.cli.execute import StoredCell, execute, survey
    from bench.engines import Local

    plugins, data = options.load_plugins(arguments.plugin), options.data_dir(arguments.data_dir)
    drawn = _draw(sound, arguments, data)
    outcome = survey([record.spec for record in drawn], Store(folder))
    execute(outcome, StoredCell(folder, data, plugins), Local())
    return drawn, outcome.errors


def _apart(
    sound: Sequence[ResultRecord], arguments: argparse.Namespace, code: Path, folder: Path
) -> tuple[list[ResultRecord], dict[str, str]]:
    """Random cells of a submission, run again by `mtlbench run` under limits; run id -> why one failed."""
    from bench.isolated import run_isolated
    from leaderboard.compare import COMMITTED

    drawn = random.SystemRandom().sample(sound, min(arguments.rerun, len(sound)))
    errors = {}
    for record in drawn:
        own = folder / record.run_id
        own.mkdir()
        plugin = shutil.copyfile(code, own / code.name)
        command = [sys.executable, "-m", "bench.cli.main", "run", record.suite, record.method]
        command += ["--seeds", str(record.spec.seed), "--plugin", str(plugin), "--store", str(own)]
        command += ["--device", record.spec.protocol.device, "--jobs", "1"]
        command += ["--data-dir", arguments.data_dir] if arguments.data_dir else []
        finished = run_isolated(command, options.limits(arguments), [options.store_dir(None), COMMITTED, code.parent])
        if finished.troubles or finished.code:
            errors[record.run_id] = shown(" ".join(finished.troubles or finished.output.split()[-60:]))
    return drawn, errors


def _draw(sound: Sequence[ResultRecord], arguments: argparse.Namespace, data: Path) -> list[ResultRecord]:
    """Random finished cells whose data is here and whose parts still have their versions."""
    from bench.method import Method
    from bench.plan import parse_suite

    def current(record: ResultRecord) -> bool:
        choice, suite = parse_suite(record.spec.suite, data)
        versions = {f"suite/{choice.entry.name}": choice.entry.version, **Method.parse(record.spec.method).versions}
        return versions == record.spec.versions and digest(suite.checksums()) == record.spec.data

    known: dict[tuple[str, str], bool] = {}
    found: list[ResultRecord] = []
    for record in random.SystemRandom().sample(sound, len(sound)):  # not to be foreseen by who made the records
        spec = record.spec
        if record.status != "done" or arguments.suite not in (None, record.suite, spec.suite):
            continue
        key = spec.suite, spec.method
        if key not in known:
            try:
                known[key] = current(record)
            except (DataMissing, UsageError):
                known[key] = False
        found += [record] if known[key] else []
        if len(found) == arguments.rerun:
            return found
    if not found:
        raise UsageError("No record can be run again here: its suite, its data or its versions are not at hand.")
    return found
