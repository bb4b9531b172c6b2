"""Check every record of a store or a submission; with --rerun, train some cells again and compare."""

import argparse
import json
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import options
from bench.errors import DataMissing, UsageError
from bench.records import digest

if TYPE_CHECKING:
    from bench.records import ResultRecord
    from leaderboard.verify import State

EPILOG = """examples:
  mtlbench verify leaderboard/results
  mtlbench verify leaderboard/results --rerun 2 --suite multidigits
  mtlbench verify leaderboard/submissions/my_method --rerun 1 --store leaderboard/results

Scores are recomputed from the stored statistics. A re-run must come out digit for digit on the same kind of processor
and versions, and within seed noise elsewhere. What was found out is kept in PATH/verified.jsonl, and tables show it;
of a submission nothing is kept, unless --store says where. Only --rerun runs a submission's code: in a process of its
own, with limits on time and memory. This limits accidents and is no sandbox.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("path", metavar="PATH", type=Path, help="a store, or a submission's folder")
    parser.add_argument("--rerun", type=options.positive, default=0, metavar="N", help="train N random cells again")
    parser.add_argument("--suite", metavar="SUITE", help="draw the cells from this suite only")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="of a submission: the store beside it, which keeps what was found out"
    )
    options.add_data_dir(parser)
    options.add_plugin(parser)
    options.add_limits(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, run again, keep what was found out, tell."""
    from leaderboard.store import Problem, Store
    from leaderboard.submissions import MANIFEST, METHOD, read_submission
    from leaderboard.verify import Check, further_problems, write_checks

    if not arguments.path.is_dir():
        raise UsageError(f"`{arguments.path}` should be a folder of records. Found none.")
    code = None
    if os.path.lexists(arguments.path / MANIFEST) or os.path.lexists(arguments.path / METHOD):
        from leaderboard.board import boards
        from leaderboard.compare import COMMITTED

        home = arguments.store or COMMITTED
        submission = read_submission(arguments.path, boards(), Store(home).read().records)
        problems, sound, count = submission.problems, submission.records, len(submission.records)
        code, keep = arguments.path / METHOD, arguments.store if submission.sound else None
    else:
        contents = Store(arguments.path).read()
        if not contents.records and not contents.problems:
            raise FileNotFoundError(f"`{arguments.path}` should hold records. Found none.")
        problems, sound = list(contents.problems), []
        for record in contents.records:
            reasons = further_problems(record)
            where = Store(arguments.path).path(record.spec).relative_to(arguments.path).as_posix()
            problems += [Problem(where, reasons)] if reasons else []
            sound += [] if reasons else [record]
        count, keep = len(contents.records) + len(contents.problems), arguments.path
    if code and problems and arguments.rerun:
        raise UsageError(
            "A submission should be sound before its code is run; leave --rerun away to see what is wrong."
        )
    by = f"mtlbench {version('mtlbench')}"
    checks = {r.run_id: Check(r.run_id, r.digest, "valid", "scores recomputed", by) for r in sound}
    outcomes = _rerun(sound, arguments, code) if arguments.rerun else []
    for outcome in outcomes:
        stored = outcome.stored
        state: State = "rerun" if outcome.agrees else "reported"
        checks[stored.run_id] = Check(stored.run_id, stored.digest, state, outcome.sentence, by)
    try:
        if keep:
            write_checks(keep, checks.values())
    except OSError as error:
        print(f"mtlbench: what was found out could not be kept ({error.strerror}).", file=sys.stderr)
    different = [outcome for outcome in outcomes if not outcome.agrees]
    if arguments.json:
        content = {
            "records": count,
            "valid": len(sound),
            "problems": [{"path": problem.path, "reasons": problem.reasons} for problem in problems],
            "rerun": [outcome.as_json() for outcome in outcomes],
        }
        json.dump(content, sys.stdout, indent=1)
        print()
    else:
        for problem in problems:
            print(f"{problem.path}: {'; '.join(problem.reasons)}")
        for outcome in outcomes:
            print(f"{outcome.stored.suite} {outcome.stored.method} seed {outcome.stored.spec.seed}: {outcome.sentence}")
        again = f", {len(outcomes) - len(different)} of {len(outcomes)} runs again the same" if outcomes else ""
        print(f"{len(sound)} records valid, {len(problems)} not{again}.")
    return 1 if problems or different else 0


@dataclass(frozen=True)
class Outcome:
    """One cell that was run again."""

    stored: "ResultRecord"
    agrees: bool
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        spec = self.stored.spec
        named = {"run_id": self.stored.run_id, "suite": spec.suite, "method": spec.method, "seed": spec.seed}
        return {**named, "agrees": self.agrees, "found": self.sentence}


def _rerun(sound: "list[ResultRecord]", arguments: argparse.Namespace, code: Path | None) -> list[Outcome]:
    """Train random cells again, each in a worker process, into a store that is thrown away.

    The code of a submission is imported in processes of its own only, under limits.
    """
    from leaderboard.store import Store
    from leaderboard.verify import beyond_noise, deviations, differing, same_kind

    found, noisy = [], []
    with tempfile.TemporaryDirectory() as folder:
        drawn, errors = _apart(sound, arguments, code, folder) if code else _here(sound, arguments, folder)
        for stored in drawn:
            fresh = Store(Path(folder)).get(stored.spec)
            if fresh is None or fresh.status != "done":
                reason = errors.get(stored.run_id, "it left no record")
                found.append(Outcome(stored, False, f"the run failed: {reason}"))
            elif not (fields := differing(stored, fresh)):
                found.append(Outcome(stored, True, "equal digit for digit"))
            elif same_kind(stored, fresh):
                sentence = f"differs in {', '.join(fields)} on the same kind of processor and versions"
                found.append(Outcome(stored, False, sentence))
            else:
                row = [r for r in sound if (r.spec.suite, r.spec.method) == (stored.spec.suite, stored.spec.method)]
                row = [r for r in row if r.spec.overrides == stored.spec.overrides and r.status == "done"]
                noisy += [(stored, deviations(stored, fresh, row))]
    rejected = beyond_noise([deviation for _, own in noisy for deviation in own])
    for stored, _ in noisy:
        beyond = [d for d in rejected if d.record is stored]
        words = "; ".join(f"{d.task} {d.metric} {d.stored:.4g}, again {d.found:.4g}" for d in beyond)
        sentence = f"beyond seed noise: {words}" if beyond else "within seed noise, on another kind of machine"
        found.append(Outcome(stored, not beyond, sentence))
    return found


def _here(
    sound: "list[ResultRecord]", arguments: argparse.Namespace, folder: str
) -> "tuple[list[ResultRecord], dict[str, str]]":
    """The cells that were drawn, run again in workers of this process; run id -> why one failed."""
    from bench.cli.execute import StoredCell, execute, survey
    from bench.engines import Local
    from leaderboard.store import Store

    plugins, data = options.load_plugins(arguments.plugin), options.data_dir(arguments.data_dir)
    drawn = _draw(sound, arguments, data)
    outcome = survey([record.spec for record in drawn], Store(Path(folder)))
    execute(outcome, StoredCell(Path(folder), data, plugins), Local())
    return drawn, outcome.errors


def _apart(
    sound: "list[ResultRecord]", arguments: argparse.Namespace, code: Path, folder: str
) -> "tuple[list[ResultRecord], dict[str, str]]":
    """Random cells of a submission, run again by `mtlbench run` under limits; run id -> why one failed."""
    from bench.isolated import run_isolated
    from leaderboard.compare import COMMITTED

    drawn = random.SystemRandom().sample(sound, min(arguments.rerun, len(sound)))
    errors = {}
    for record in drawn:
        command = [sys.executable, "-m", "bench.cli.main", "run", record.suite, record.method]
        command += ["--seeds", str(record.spec.seed), "--plugin", str(code.resolve()), "--store", folder]
        command += ["--device", record.spec.protocol.device, "--jobs", "1"]
        command += ["--data-dir", arguments.data_dir] if arguments.data_dir else []
        finished = run_isolated(command, options.limits(arguments), [options.store_dir(None), COMMITTED, code.parent])
        if finished.troubles or finished.code:
            errors[record.run_id] = " ".join(finished.troubles or finished.output.split()[-60:])
    return drawn, errors


def _draw(sound: "list[ResultRecord]", arguments: argparse.Namespace, data: Path) -> "list[ResultRecord]":
    """Random finished cells whose data is here and whose parts still have their versions."""
    from bench.method import Method
    from bench.plan import parse_suite

    def current(record: "ResultRecord") -> bool:
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
