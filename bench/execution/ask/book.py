"""The runs of one question, as they come in: which were run, and with what error."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from bench.execution.ask.budget import Budget
from bench.execution.execute import Execution
from bench.execution.forecast import count_workers, forecast
from bench.records import ResultRecord, RunSpec
from bench.scores import primary_error
from leaderboard.boards.curves import validation_errors

# Each task at its own best epoch, as when it is learnt alone: other tasks have no say in when the main one stops.
OVERHEAD = 1.5  # wall time of a worker over the training in it, before anything was measured


@dataclass
class RunBook:
    """Runs what is asked for, once, and reads what became of it.

    Attributes:
        execution: how cells are run.
        budget: within which they are run.
        records: run id -> its record; None where the process died without one.
        specs: run id -> what was run, of the same runs, in the order in which they ended.
        errors: run id -> why it failed.
        made: how many runs were made here, and not found in the store.
        trained: seconds of training of the runs that were made here.
        worked: seconds of wall-clock time times workers that went by while they were made.
    """

    execution: Execution
    budget: Budget
    records: dict[str, ResultRecord | None] = field(default_factory=dict)
    specs: dict[str, RunSpec] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    made: int = 0
    trained: float = 0.0
    worked: float = 0.0

    def run(self, specs: Iterable[RunSpec]) -> None:
        """Run those that have not ended here yet. An interrupt is passed on, and what ended before it is noted."""
        missing = self.list_missing(specs)
        if not missing:
            return
        outcome = self.execution.survey(missing)
        workers = count_workers(self.execution.engine, outcome.missing) if outcome.missing else 0
        began = self.budget.spent
        try:
            with self.budget.limit():
                self.execution.run_missing(outcome)
        finally:
            fresh = {spec.run_id for spec in missing if outcome.status[spec.run_id] in ("done", "failed")}
            for spec in missing:
                if outcome.status[spec.run_id] != "planned":
                    self.specs[spec.run_id] = spec
                    self.records[spec.run_id] = record = self.execution.store.get(spec)
                    if record and record.cost and spec.run_id in fresh:
                        self.trained += record.cost.train_seconds
            self.made += len(fresh)
            self.worked += workers * (self.budget.spent - began)
            self.errors |= outcome.errors

    def list_missing(self, specs: Iterable[RunSpec]) -> list[RunSpec]:
        """Those that have not ended here, each once."""
        return list({spec.run_id: spec for spec in specs if spec.run_id not in self.records}.values())

    def estimate(self, specs: Iterable[RunSpec]) -> float | None:
        """Seconds until those that are missing will have ended; None where nothing like them was run.

        The forecast of `run --dry-run`, with cells without a similar past run as long as the mean of the others, times
        what a worker takes beside training, as measured here.
        """
        outcome = self.execution.survey(self.list_missing(specs))
        cost = forecast(outcome, self.execution.cell.store, self.execution.engine)
        if not cost.known:
            return None if cost.cells else 0.0
        beside = self.worked / self.trained if self.trained else OVERHEAD
        return cost.wall * len(cost.cells) / len(cost.known) * beside

    def choose_rate(self, specs: Sequence[RunSpec], task: str) -> float | None:
        """The learning rate at which a task's error on validation is least, by the mean log over the seeds of a curve.

        None where the curve has no runs, not all of them have ended, or one failed at every rate.
        """
        if not specs or self.list_missing(specs):
            return None
        losses: dict[float, list[float]] = {}
        for spec in specs:
            losses.setdefault(spec.protocol.lr, []).append(math.log(self.validation(spec, task)))
        means = {rate: fmean(each) for rate, each in losses.items()}
        best = min(means, key=lambda rate: means[rate])
        return best if math.isfinite(means[best]) else None

    def error(self, spec: RunSpec, task: str) -> float | None:
        """The error of a task on the test split, > 0; NaN where the run failed, None where it was not run."""
        if spec.run_id not in self.records:
            return None
        record = self.records[spec.run_id]
        if record is None or record.status != "done":
            return math.nan
        return primary_error(record.spec.protocol.metrics[task], record.statistics[record.per_task_rule][task])

    def validation(self, spec: RunSpec, task: str) -> float:
        """The error of a task on validation; infinite where the run failed or was not run."""
        record = self.records.get(spec.run_id)
        return validation_errors(record).get(task, math.inf) if record else math.inf
