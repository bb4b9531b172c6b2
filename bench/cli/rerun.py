"""Trains stored cells again, and says whether what comes out is what is stored."""

import argparse
import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cli import options
from bench.errors import DataMissing, UsageError, shown
from bench.records import ResultRecord, digest
from leaderboard.store import Store
from leaderboard.verify import Deviation, beyond_noise, deviations, differing, same_kind


@dataclass(frozen=True)
class Outcome:
    """One cell that was run again; `agrees` is None where nothing can be said."""

    stored: ResultRecord
    agrees: bool | None
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        spec = self.stored.spec
        named = {"run_id": self.stored.run_id, "suite": spec.suite, "method": spec.method, "seed": spec.seed}
        return {**named, "agrees": self.agrees, "found": self.sentence}


def rerun(sound: Sequence[ResultRecord], arguments: argparse.Namespace, code: Path | None) -> list[Outcome]:
    """Train random cells again, each in a worker process, into a store that is thrown away.

    `code` is that of a submission: it is imported in processes of its own only, under limits, and without the runs
    that it should come out with beside it.
    """
    from bench.isolated import scratch

    with scratch() as folder:
        drawn, errors = _apart(sound, arguments, code, folder) if code else _here(sound, arguments, folder)
        fresh = {stored.run_id: Store(folder / stored.run_id if code else folder).get(stored.spec) for stored in drawn}
    return _judged(sound, drawn, fresh, errors)


def _judged(
    sound: Sequence[ResultRecord],
    drawn: Sequence[ResultRecord],
    again: dict[str, ResultRecord | None],
    errors: dict[str, str],
) -> list[Outcome]:
    found: list[Outcome] = []
    noisy: list[tuple[ResultRecord, list[Deviation]]] = []
    for stored in drawn:
        fresh = again[stored.run_id]
        if stored.run_id in errors or fresh is None or fresh.status != "done":
            reason = errors.get(stored.run_id, "it left no record")
            found.append(Outcome(stored, False, f"the run failed: {reason}"))
        elif fresh.digest == stored.digest:  # which covers when it was made and how long it took
            found.append(Outcome(stored, False, "what came back is the stored record itself, which no run can give"))
        elif not (fields := differing(stored, fresh)):
            found.append(Outcome(stored, True, "equal digit for digit"))
        elif same_kind(stored, fresh):
            sentence = f"differs in {', '.join(fields)} on the same kind of processor and versions"
            found.append(Outcome(stored, False, sentence))
        else:
            noisy += [(stored, deviations(stored, fresh, _row(stored, sound)))]
    rejected = beyond_noise([deviation for _, own in noisy for deviation in own])
    for stored, own in noisy:
        beyond = [d for d in rejected if d.record is stored]
        words = "; ".join(f"{d.task} {d.metric} {d.stored:.4g}, again {d.found:.4g}" for d in beyond)
        if beyond:
            found.append(Outcome(stored, False, f"beyond seed noise: {words}"))
        elif any(d.p == d.p for d in own):
            found.append(Outcome(stored, True, "within seed noise, on another kind of machine"))
        else:
            found.append(Outcome(stored, None, "not judged: another kind of machine, and no noise known from one seed"))
    return found


def _row(stored: ResultRecord, sound: Sequence[ResultRecord]) -> list[ResultRecord]:
    """The runs that differ from one in their seed only: what is known of its noise."""
    like = stored.spec.varied(seed=0)
    return [record for record in sound if record.status == "done" and record.spec.varied(seed=0) == like]


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
        command += [] if record.spec.code else ["--without-code"]  # made before code was noted: under its own run id
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
