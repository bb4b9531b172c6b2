"""Re-run stored cells, and compare the results with the stored ones."""

import argparse
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.cli import options
from bench.errors import DataMissing, UsageError, make_printable
from bench.records import ResultRecord, digest
from leaderboard.analysis.statistics import holm
from leaderboard.store import Store
from leaderboard.store.committed import COMMITTED, committed_of
from leaderboard.trust.reruns import RerunResult, judge

SEALED_LEVEL = 0.01  # of a false alarm of the second test, over all cells and tasks


def rerun(sound: Sequence[ResultRecord], arguments: argparse.Namespace, code: Path | None) -> list[RerunResult]:
    """Train random cells again, each in a worker process, into a store that is thrown away.

    `code` is that of a submission: it is imported in processes of its own only, under limits, and without the runs
    that it should come out with beside it.
    """
    with tempfile.TemporaryDirectory(prefix="mtlbench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        drawn, errors = _apart(sound, arguments, code, folder) if code else _here(sound, arguments, folder)
        fresh = {stored.run_id: Store(folder).get(stored.spec) for stored in drawn}
        reports = _read_reports(folder) if code else {}
    boards = {stored.suite.partition(":")[0] for stored in drawn}
    known = [*sound, *(record for name in boards for record in committed_of(name))]
    return _hold_sealed(judge(drawn, fresh, errors, known), reports)


def _read_reports(folder: Path) -> dict[str, dict[str, Any]]:
    """run id -> what was seen from outside while a cell was judged."""
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def _hold_sealed(outcomes: Sequence[RerunResult], reports: Mapping[str, dict[str, Any]]) -> list[RerunResult]:
    """Outcomes with what the second test says: a cell that does worse there than chance explains does not agree.

    Holm over all cells and tasks. What else was noted stands behind the sentence.
    """
    scores = [(run_id, score) for run_id, report in reports.items() for score in report["sealed"]]
    adjusted = holm(np.array([score["p"] for _, score in scores])) if scores else ()
    worse = {run_id: score for (run_id, score), p in zip(scores, adjusted, strict=True) if p <= SEALED_LEVEL}
    found = []
    for outcome in outcomes:
        run_id = outcome.stored.run_id
        report = reports.get(run_id, {})
        words = "; ".join([outcome.sentence, *report.get("notes", [])])
        if run_id in worse:
            task, public, sealed = (worse[run_id][key] for key in ("task", "public", "sealed"))
            words += f"; sealed test: the error of {task} is {sealed:.4g} there, {public:.4g} on the public rows"
            found.append(replace(outcome, agrees=False, sentence=words))
        else:
            words += "; the sealed test agrees" if report.get("sealed") else ""
            found.append(replace(outcome, sentence=words))
    return found


def _here(
    sound: Sequence[ResultRecord], arguments: argparse.Namespace, folder: Path
) -> tuple[list[ResultRecord], dict[str, str]]:
    """The cells that were drawn, run again in workers of this process; run id -> why one failed."""
    from bench.engines import Local
    from bench.execution.cell import StoredCell
    from bench.execution.execute import execute, survey

    plugins, data = options.load_plugins(arguments.plugin), options.data_dir(arguments.data_dir)
    drawn = _draw(sound, arguments, data)
    outcome = survey([record.spec for record in drawn], Store(folder))
    execute(outcome, StoredCell(folder, data, plugins), Local())
    return drawn, outcome.errors


def _apart(
    sound: Sequence[ResultRecord], arguments: argparse.Namespace, code: Path, folder: Path
) -> tuple[list[ResultRecord], dict[str, str]]:
    """Random cells of a submission, judged again in confined processes; run id -> why one failed."""
    from bench.cli.check import read_source
    from bench.engines import Local
    from bench.execution.execute import survey
    from bench.execution.judged_cell import JudgedCell, describe_methods, execute_judged, print_confinement

    drawn = random.SystemRandom().sample(sound, min(arguments.rerun, len(sound)))
    source, limits, data = read_source(code), options.limits(arguments), options.data_dir(arguments.data_dir)
    names = sorted({(record.suite, record.method) for record in drawn})
    print_confinement()
    try:
        described = {
            (suite, method): entry
            for suite in {suite for suite, _ in names}
            for own in [[method for name, method in names if name == suite]]
            for method, entry in zip(own, describe_methods(source, suite, own, limits), strict=True)
        }
    except UsageError as error:  # of the submitted file: a finding about it, and no mistake of whoever verifies
        return drawn, dict.fromkeys((record.run_id for record in drawn), str(error))
    errors = {
        record.run_id: reason
        for record in drawn
        if (reason := _misdescribed(record, described[record.suite, record.method]))
    }
    left = [record.spec for record in drawn if record.run_id not in errors]
    cell = JudgedCell(
        folder,
        data,
        name=source.name,
        text=source.text,
        shorts=tuple((record.spec.method, record.method) for record in drawn),
        limits=limits,
        sealed=True,
        reports=folder,
    )
    outcome = survey(left, Store(folder))
    troubles = execute_judged(outcome, cell, Local(), [options.store_dir(None), COMMITTED]) if left else []
    if troubles:
        errors |= dict.fromkeys((record.run_id for record in drawn), " ".join(troubles))
    return drawn, outcome.errors | errors


def _misdescribed(record: ResultRecord, described: Mapping[str, Any]) -> str:
    """Why a record is none of its method, as the method's code names it; empty where it is one."""
    versions = {part: version for part, version in record.spec.versions.items() if not part.startswith("suite/")}
    stored = {"canonical": record.spec.method, "short": record.method, "versions": versions}
    wrong = [name for name, value in stored.items() if described[name] != value]
    return (
        make_printable(f"by its code its {wrong[0]} is {described[wrong[0]]}, stored {stored[wrong[0]]}")
        if wrong
        else ""
    )


def _draw(sound: Sequence[ResultRecord], arguments: argparse.Namespace, data: Path) -> list[ResultRecord]:
    """Random finished cells whose data is here and whose parts still have their versions."""
    from bench.catalogue.method import Method
    from bench.planning.plan import parse_suite

    def current(record: ResultRecord) -> bool:
        choice, suite = parse_suite(record.spec.suite, data)
        method = Method.parse(record.spec.method)
        code = ({choice.entry.part: choice.entry.code} if choice.entry.code else {}) | method.code
        return (
            {choice.entry.part: choice.entry.version, **method.versions} == record.spec.versions
            and record.spec.code in ({}, code)  # records that were made before code was noted have none
            and digest(suite.checksums()) == record.spec.data
        )

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
