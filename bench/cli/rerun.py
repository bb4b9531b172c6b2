"""Re-runs stored cells for `mtlbench verify --rerun`, and compares the results with the stored ones.

Built-in methods and plug-ins that the user names run in workers. A submission's code runs in confined processes only,
and its predictions are also tested on rows that nobody could know.
"""

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
from leaderboard.store.committed import COMMITTED, read_committed_suite
from leaderboard.trust.reruns import RerunResult, compare_reruns

SEALED_LEVEL = 0.01  # chance that the second test accuses an honest submission, over all cells and tasks


def rerun(sound: Sequence[ResultRecord], arguments: argparse.Namespace, code: Path | None) -> list[RerunResult]:
    """Train random cells again, each in a worker process, into a store that is thrown away.

    Args:
        sound: Records that passed all checks; cells are drawn from them.
        arguments: Those of `verify`: how many cells, of which suite, data, plug-ins and limits.
        code: The file of a submission, or None. It is imported in confined processes only; the store of the new runs is
            a folder of its own, in which there is nothing to copy.

    Returns:
        One result per cell that was drawn.

    Raises:
        UsageError: No cell can be run again here.
    """
    with tempfile.TemporaryDirectory(prefix="mtlbench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        drawn, errors = (
            _rerun_confined(sound, arguments, code, folder) if code else _rerun_in_workers(sound, arguments, folder)
        )
        fresh = {stored.run_id: Store(folder).get(stored.spec) for stored in drawn}
        reports = _read_reports(folder) if code else {}
    # Runs of the committed boards tell what a seed decides, whatever the method.
    boards = {stored.suite.partition(":")[0] for stored in drawn}
    known = [*sound, *(record for name in boards for record in read_committed_suite(name))]
    return _add_sealed_results(compare_reruns(drawn, fresh, errors, known), reports)


def _read_reports(folder: Path) -> dict[str, dict[str, Any]]:
    """run id -> what was seen from outside while a cell was judged.

    The keys are those of `bench.judge.cells.Judgement` without the record; a cell whose process was lost has no report.
    """
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def _add_sealed_results(outcomes: Sequence[RerunResult], reports: Mapping[str, dict[str, Any]]) -> list[RerunResult]:
    """Outcomes with what the second test says: a cell that does worse there than chance explains does not agree.

    p-values are corrected by Holm over all cells and tasks, since any one of them would accuse a method.

    Args:
        outcomes: The comparison of each cell with its record.
        reports: run id -> what was seen from outside. Notes in it are appended to the sentence.
    """
    scores = [(run_id, score) for run_id, report in reports.items() for score in report["sealed"]]
    adjusted = holm(np.array([score["p"] for _, score in scores])) if scores else ()
    worse = {run_id: score for (run_id, score), p in zip(scores, adjusted, strict=True) if p <= SEALED_LEVEL}
    completed = []
    for outcome in outcomes:
        run_id = outcome.stored.run_id
        report = reports.get(run_id, {})
        words = "; ".join([outcome.sentence, *report.get("notes", [])])
        if run_id in worse:
            task, public, sealed = (worse[run_id][key] for key in ("task", "public", "sealed"))
            words += f"; sealed test: the error of {task} is {sealed:.4g} there, {public:.4g} on the public rows"
            completed.append(replace(outcome, agrees=False, sentence=words))
        else:
            words += "; the sealed test agrees" if report.get("sealed") else ""
            completed.append(replace(outcome, sentence=words))
    return completed


def _rerun_in_workers(
    sound: Sequence[ResultRecord], arguments: argparse.Namespace, folder: Path
) -> tuple[list[ResultRecord], dict[str, str]]:
    """Draw cells and run them again in workers of this process.

    Args:
        sound: Records to draw from.
        arguments: Those of `verify`.
        folder: The store for the new records.

    Returns:
        The records that were drawn, and run id -> why a cell failed.
    """
    from bench.engines import Local
    from bench.execution.cell import StoredCell
    from bench.execution.execute import Execution

    plugins, data = options.load_plugins(arguments.plugin), options.resolve_data_dir(arguments.data_dir)
    drawn = _draw(sound, arguments, data)
    outcome = Execution(StoredCell(folder, data, plugins), Local()).run(record.spec for record in drawn)
    return drawn, outcome.errors


def _rerun_confined(
    sound: Sequence[ResultRecord], arguments: argparse.Namespace, code: Path, folder: Path
) -> tuple[list[ResultRecord], dict[str, str]]:
    """Draw cells of a submission and judge them again in confined processes.

    A file that cannot even describe its methods fails all of them: that is a finding about the submission, not a
    mistake of whoever verifies it.

    Args:
        sound: Records to draw from.
        arguments: Those of `verify`.
        code: The submission's file.
        folder: The store for the new records and the reports.

    Returns:
        The records that were drawn, and run id -> why a cell failed.
    """
    from bench.cli.check import read_source
    from bench.engines import Local
    from bench.execution.judged_cell import JudgedCell, describe_methods, execute_judged, print_confinement
    from bench.execution.plan_status import survey

    drawn = random.SystemRandom().sample(sound, min(arguments.rerun, len(sound)))
    source, limits, data = (
        read_source(code),
        options.read_limits(arguments),
        options.resolve_data_dir(arguments.data_dir),
    )
    # A suite's methods are described in one process, since starting one takes seconds.
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
        if (reason := _explain_mismatch(record, described[record.suite, record.method]))
    }
    # A record of another method than its code's is settled without training.
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
    troubles = execute_judged(outcome, cell, Local(), [options.resolve_store_dir(None), COMMITTED]) if left else []
    if troubles:
        errors |= dict.fromkeys((record.run_id for record in drawn), " ".join(troubles))
    return drawn, outcome.errors | errors


def _explain_mismatch(record: ResultRecord, described: Mapping[str, Any]) -> str:
    """Why a record cannot be of the method that its code registers; empty where it can.

    Args:
        record: A stored record of the submission.
        described: `canonical`, `short` and `versions`, as the code names the method in a confined process.
    """
    versions = {part: version for part, version in record.spec.versions.items() if not part.startswith("suite/")}
    stored = {"canonical": record.spec.method, "short": record.method, "versions": versions}
    wrong = [name for name, value in stored.items() if described[name] != value]
    return (
        make_printable(f"by its code its {wrong[0]} is {described[wrong[0]]}, stored {stored[wrong[0]]}")
        if wrong
        else ""
    )


def _draw(sound: Sequence[ResultRecord], arguments: argparse.Namespace, data: Path) -> list[ResultRecord]:
    """Random finished cells whose data is here and whose parts still have their versions, at most --rerun of them.

    They are drawn from the system's randomness, so that whoever made the records could not foresee which.

    Raises:
        UsageError: No record can be run again here.
    """
    from bench.catalogue.method import Method
    from bench.planning.plan import parse_suite

    def is_current(record: ResultRecord) -> bool:
        """Whether parts, code and data of a record are the ones that are installed here."""
        choice, suite = parse_suite(record.spec.suite, data)
        method = Method.parse(record.spec.method)
        code = ({choice.entry.part: choice.entry.code} if choice.entry.code else {}) | method.code
        return (
            {choice.entry.part: choice.entry.version, **method.versions} == record.spec.versions
            and record.spec.code in ({}, code)  # records that were made before code was noted have none
            and digest(suite.checksums()) == record.spec.data
        )

    # (suite, method) -> whether it can be run here: data is summed up once, not once for each seed.
    known: dict[tuple[str, str], bool] = {}
    drawn: list[ResultRecord] = []
    for record in random.SystemRandom().sample(sound, len(sound)):  # not to be foreseen by who made the records
        spec = record.spec
        if record.status != "done" or arguments.suite not in (None, record.suite, spec.suite):
            continue
        key = spec.suite, spec.method
        if key not in known:
            try:
                known[key] = is_current(record)
            except (DataMissing, UsageError):
                known[key] = False
        drawn += [record] if known[key] else []
        if len(drawn) == arguments.rerun:
            return drawn
    if not drawn:
        raise UsageError("No record can be run again here: its suite, its data or its versions are not at hand.")
    return drawn
