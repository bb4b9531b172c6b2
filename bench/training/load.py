"""What a specification stands for: its suite, its method, and a record that is still without results."""

import traceback
from datetime import UTC, datetime
from pathlib import Path

from bench.catalogue.method import Method
from bench.core.resident import ResidentRows
from bench.core.suite import Suite
from bench.planning.plan import parse_suite, suite_under_protocol
from bench.records import Failure, ResultRecord, RunSpec
from bench.training.environment import strip_paths, versions


def load_run(
    spec: RunSpec, data_dir: Path | None, rows: ResidentRows | None = None
) -> tuple[Suite, Method, ResultRecord]:
    """Build suite and method of a specification, and a record of it without results.

    With `rows` the suite does not read its data again. Raises UsageError for names and options that do not exist.
    """
    choice, suite = parse_suite(spec.suite, data_dir)
    if rows is not None:
        suite = rows.serve(suite)
    method = Method.parse(spec.method)
    return suite_under_protocol(suite, spec.protocol), method, begin_record(spec, choice.short, method.short)


def begin_record(spec: RunSpec, suite: str, method: str) -> ResultRecord:
    """A record without results, of status `done` and not sealed; `suite` and `method` are their short names."""
    return ResultRecord(
        run_id=spec.run_id,
        suite=suite,
        method=method,
        spec=spec,
        status="done",
        environment=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def describe_failure(record: ResultRecord, error: Exception) -> ResultRecord:
    """`record` with status `failed`, and of `error` the type, the message and the place, without absolute paths."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    failure = Failure(
        type=type(error).__name__,
        message=strip_paths(str(error))[:500],
        where=f"{Path(frame.filename).stem}.{frame.name}, line {frame.lineno}",
    )
    return record.model_copy(update={"status": "failed", "error": failure}).seal()
