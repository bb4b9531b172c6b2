"""Records in long form: one row for each run, task and metric, with what the run was and what it cost.

The rows that `mtlbench.load_results` puts into a data frame. Nothing is chosen or averaged here: boards do that.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bench.errors import UsageError
from bench.records import METHOD_PARTS, ResultRecord, parse_method
from bench.records.grammar import UNWEIGHTED
from bench.scores import KINDS, Metric, primary_error
from leaderboard.analysis.costs import cost_of_run
from leaderboard.analysis.dials import alike_protocol_text, settings_of
from leaderboard.analysis.statistics import SelectionRule
from leaderboard.boards.comparability import keep_newest_methods, suite_versions

REFERENCE = "single_task"


class RunRow(NamedTuple):
    """One number of one run on the test split, and all that is known of the run. NaN and an empty text are "none".

    Attributes:
        run_id: of the record; 16 hexadecimal digits.
        suite: its short name, as tables list it.
        method: its short name, as tables list it.
        sharing: the name of the method's sharing, without its options.
        constraint: the name of the method's constraint, without its options.
        weighting: the name of the method's weighting, without its options.
        seed: of the run.
        protocol: version of the suite's protocol.
        settings: what differs from it, as `lr=0.05 optimiser=sgd`; `own best lr` where a curve chose the value.
        search: `trial` (validation only), `final` or `best` where the run is part of a search.
        task: what `value` is of.
        metric: what `value` is.
        unit: of `value`.
        higher_is_better: whether a higher `value` is better.
        primary: whether the metric is the first of its task, the one that stands for it.
        selection: the rule that kept an epoch: `val`, `per_task` or `last`.
        epoch: that was kept, counted from 1.
        value: of the metric on the test split, in `unit`.
        error: the task's primary error, positive, lower is better; it is what changes are taken of.
        reference_error: that of `single_task` in the run with the same suite, data, settings and seed.
        gain: log(reference_error / error) of the task, positive where the run is better than single-task.
        validation_error: the primary error on validation, of trials and of runs under settings of their own.
        status: `done` or `failed`.
        failure: why a run failed.
        parameters: trained ones.
        forward_flops: of one forward pass of a row.
        train_flops: of the whole training, as `cost_of_run` counts them.
        epochs: of the budget.
        updates: of the budget.
        step_ms: milliseconds of an update, as measured; comparable on one class of hardware only.
        train_seconds: of the whole training, as measured; comparable on one class of hardware only.
        peak_memory_mb: as measured; comparable on one class of hardware only.
        hardware: on which the run was made.
        created: when the record was made; UTC, ISO 8601.
    """

    run_id: str
    suite: str
    method: str
    sharing: str
    constraint: str
    weighting: str
    seed: int
    protocol: int
    settings: str
    search: str
    task: str
    metric: str
    unit: str
    higher_is_better: bool
    primary: bool
    selection: str
    epoch: float
    value: float
    error: float
    reference_error: float
    gain: float
    validation_error: float
    status: str
    failure: str
    parameters: float
    forward_flops: float
    train_flops: float
    epochs: int
    updates: int
    step_ms: float
    train_seconds: float
    peak_memory_mb: float
    hardware: str
    created: str


def list_run_rows(
    records: Iterable[ResultRecord], rule: SelectionRule | None = "val", references: Iterable[ResultRecord] = ()
) -> Iterator[RunRow]:
    """Every record as rows, in the order of records, tasks and metrics.

    A run without scores, as a failed one or a trial, has its rows with NaN as `value`.

    Args:
        records: finished or failed, of any suites.
        rule: whose epochs count. Protocols without a validation split have the last epoch only, which stands for any
            rule. None gives the rows of every rule.
        references: where the runs of single-task are looked for, beside `records`.
    """
    listed = list(records)
    errors = _collect_reference_errors([*listed, *references])
    for record in listed:
        yield from _rows_of_run(record, rule, errors)


Errors = Mapping[tuple[Any, ...], ResultRecord]  # what runs share -> the single-task run among them


def _rows_of_run(record: ResultRecord, rule: SelectionRule | None, references: Errors) -> Iterator[RunRow]:
    """The rows of one record."""
    spec, cost = record.spec, record.cost
    sharing, constraint, weighting = _name_parts(record.method)
    reference = references.get(_pair_key(record))
    shared: dict[str, Any] = {
        "run_id": record.run_id,
        "suite": record.suite,
        "method": record.method,
        "sharing": sharing,
        "constraint": constraint,
        "weighting": weighting,
        "seed": spec.seed,
        "protocol": spec.protocol.version,
        "settings": settings_of(record),
        "search": spec.tuning.stage if spec.tuning else "",
        "status": record.status,
        "failure": f"{record.error.type}: {record.error.message}" if record.error else "",
        "parameters": float(cost.parameters) if cost else math.nan,
        "forward_flops": float(cost.forward_flops) if cost else math.nan,
        "train_flops": _nan_for_none(cost_of_run(record, "flops")),
        "epochs": spec.protocol.epochs,
        "updates": spec.protocol.epochs * spec.protocol.steps_per_epoch,
        "step_ms": cost.step_ms if cost else math.nan,
        "train_seconds": cost.train_seconds if cost else math.nan,
        "peak_memory_mb": cost.peak_memory_mb if cost else math.nan,
        "hardware": cost.hardware if cost else "",
        "created": record.created,
    }
    for selection in _choose_rules(record, rule):
        for task in record.tasks or sorted(spec.protocol.metrics):
            own, theirs = (_error_of(each, selection, task) for each in (record, reference))
            of_task: dict[str, Any] = {
                "task": task,
                "selection": selection,
                "epoch": float(record.selection.get(selection, {}).get(task, math.nan)),
                "error": own,
                "reference_error": theirs,
                "gain": math.log(theirs / own) if own > 0 and theirs > 0 else math.nan,  # NaN compares as false
                "validation_error": record.validation.get(task, math.nan),
            }
            for place, metric in enumerate(_metrics_of(record, task)):
                yield RunRow(
                    **shared,
                    **of_task,
                    metric=metric.name,
                    unit=metric.unit,
                    higher_is_better=metric.higher_is_better,
                    primary=place == 0,
                    value=record.scores.get(selection, {}).get(task, {}).get(metric.name, math.nan),
                )


def _choose_rules(record: ResultRecord, rule: SelectionRule | None) -> list[str]:
    """The rules whose rows a record has: one, or all; an empty text where it has no scores."""
    if not record.scores:
        return [""]
    if rule is None:
        return list(record.scores)
    if rule in record.scores:
        return [rule]
    return ["last"] if set(record.scores) == {"last"} else []  # a solver has no last epoch


def _metrics_of(record: ResultRecord, task: str) -> tuple[Metric, ...]:
    """The metrics of a task in the order of columns; none of a kind that is not registered here."""
    kind = KINDS.get(record.spec.protocol.metrics.get(task, ""))
    return kind.metrics if kind else ()


def _error_of(record: ResultRecord | None, selection: str, task: str) -> float:
    """The primary error of a task under a rule; NaN where there is none."""
    state = record.statistics.get(selection, {}).get(task) if record else None
    return primary_error(record.spec.protocol.metrics[task], state) if record and state is not None else math.nan


def _collect_reference_errors(records: Iterable[ResultRecord]) -> Errors:
    """The finished single-task runs by what paired runs share; the newest version of each."""
    own = [record for record in records if record.method == REFERENCE and record.status == "done"]
    return {_pair_key(record): record for record in keep_newest_methods(own, _pair_key)}


def _pair_key(record: ResultRecord) -> tuple[Any, ...]:
    """What a run has in common with the single-task run that it is compared with."""
    spec = record.spec
    return spec.suite, spec.data, suite_versions(record), settings_of(record), alike_protocol_text(record), spec.seed


def _name_parts(method: str) -> tuple[str, str, str]:
    """The names of sharing, constraint and weighting; a text that is no method any more is a sharing."""
    try:
        parts = parse_method(method)
    except UsageError:
        return method, "", ""
    names = [call.name if (call := getattr(parts, part)) else "" for part in METHOD_PARTS]
    return names[0], names[1], names[2] or UNWEIGHTED


def _nan_for_none(value: float | None) -> float:
    """A number that may be missing, as a column of numbers has it."""
    return math.nan if value is None else value
