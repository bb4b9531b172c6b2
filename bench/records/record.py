"""ResultRecord: one run, one file, readable by a person and checkable by a machine.

A record holds everything that a table needs and enough to recompute its scores: the specification,
the sufficient statistics on the test split, curves, cost, and a digest over all of it. It checks
itself (`find_problems`); checks across records are those of `leaderboard.trust`.
"""

import marshal
import math
from functools import lru_cache
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.errors import UsageError
from bench.records.canonical import digest
from bench.records.correct_rows import CorrectRows, explain_wrong_rows
from bench.records.grammar import METHOD_PARTS, UNWEIGHTED, parse_call, parse_method
from bench.records.packed import Packed
from bench.records.probed import ProbeResults
from bench.records.spec import RunSpec

SCHEMA_VERSION: Final = 1
CURVE_TASKS = 10  # curves of single tasks are kept up to this many tasks, since records should stay small
MAX_BYTES = 256 * 1024  # of one record's file; what is too large for it is named in `left_out`

Statistics = dict[str, Any]  # the sufficient statistics of one task: numbers and nested lists of numbers


class _Frozen(BaseModel):
    # "constants": NaN in a free-form field stays NaN, which the digest refuses, and does not turn into null.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants")


class Failure(_Frozen):
    """Why a run has no scores.

    type: class of the error, as `Diverged`.
    message: its text without paths of the machine, at most 500 characters.
    where: module, function and line that raised it.
    """

    type: str
    message: str
    where: str


class Cost(_Frozen):
    """What a run cost. Times are comparable inside one hardware class only.

    Parameters and operations are exact counts; times and memory are measured while the run trains.
    """

    parameters: int = Field(description="trained parameters of sharing, heads, constraint and weighting")
    forward_flops: int = Field(
        description="floating point operations of one forward of one row per input, by torch's counter"
    )
    step_ms: float = Field(description="median time of one update after warm-up, milliseconds")
    train_seconds: float = Field(description="of all updates, evaluation excluded")
    peak_memory_mb: float = Field(description="largest resident (cpu) or allocated (cuda) memory")
    hardware: str = Field(description="class of the machine, as `cpu: NAME, 1 thread`")


class Solution(_Frozen):
    """Of models that a solver fitted: what was chosen by cross-validation, and how close to the minimum they are."""

    strength: float | None = Field(description="that was chosen; None where it was given")
    settings: dict[str, Any] = Field(default={}, description="other options that were chosen")
    strengths: list[float] = Field(default=[], description="of the path with these settings")
    errors: list[float] = Field(default=[], description="loss per row left out, at each of them")
    at_the_end: bool = Field(default=False, description="whether the last strength won: a weaker one may be better")
    objective: float = Field(description="loss, summed over rows, plus penalty")
    certificate: Literal["gap", "residual", "gradient"] = Field(
        description="relative duality gap, relative residual of a step, or, of a likelihood, its gradient at the end "
        "over that at the start"
    )
    value: float = Field(ge=0, description="of the certificate")
    met: bool = Field(description="whether it is within the protocol's tolerance")
    iterations: int


class Curves(_Frozen):
    """Per epoch: mean training loss and validation scores of each task. `None` where a number was not finite.

    train_loss: task -> one number per epoch.
    val: task -> metric -> one number per epoch, from the same statistics as the scores.
    """

    train_loss: dict[str, list[float | None]] = {}
    val: dict[str, dict[str, list[float | None]]] = {}


class ResultRecord(_Frozen):
    """The result of one run.

    `suite` and `method` are the short names (defaults dropped) that tables list; the canonical ones
    are in `spec`. `statistics` and `scores` are on the test split: rule of selection -> task ->
    statistics, and rule -> task -> metric -> value.

    A run that diverged is `failed`, with `error` in place of scores. A trial of a random search has
    `validation` errors and nothing of the test split; a run under settings of its own may have both.
    `digest` is over all other fields.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: str
    suite: str
    method: str
    spec: RunSpec
    status: Literal["done", "failed"]
    error: Failure | None = None
    tasks: list[str] = []
    statistics: dict[str, dict[str, Statistics]] = {}
    scores: dict[str, dict[str, dict[str, float]]] = {}
    selection: dict[str, dict[str, int]] = Field(default={}, description="rule -> task -> epoch kept, counted from 1")
    validation: dict[str, float] = Field(
        default={},
        description="of a trial, or a run with overrides: the primary error of each task on validation at the epoch "
        "kept by `val`",
    )
    cost: Cost | None = None
    data: dict[str, str] = Field(default={}, description="checksums of the data, part by part")
    environment: dict[str, str] = {}
    curves: Curves = Curves()
    matrices: dict[str, Packed] = Field(default={}, description="what the method learned about sharing")
    effective_sharing: dict[str, float] = Field(
        default={},
        description="per parameter with two axes or more: 1 - |U - mean U|^2 / |U|^2 of the towers' updates U "
        "(1 hard, 1/T unrelated)",
    )
    cosines: Packed | None = Field(
        default=None,
        description="T x T, in the order of the tasks: cosines of the task gradients after training, the mean over "
        "eight training batches; over the shared parameters, or, where there are none, over the tasks' aligned copies",
    )
    correct_rows: dict[str, CorrectRows] = Field(
        default={},
        description="task -> which test rows are right under the rule `val`, or `last` where there is no validation; "
        "of metrics of one label per row",
    )
    labels: dict[str, dict[str, int]] = Field(
        default={},
        description="split -> task -> rows with a label of it; of the splits in which a label is missing, and so empty "
        "where none is",
    )
    solution: Solution | None = Field(default=None, description="of models that a solver fitted")
    probes: ProbeResults | None = Field(default=None, description="of a run that was probed as it trained")
    left_out: list[str] = Field(default=[], description="what a record of this size has no room for, as `matrices.a`")
    created: str = Field(default="", description="UTC, ISO 8601")
    digest: str = ""

    @property
    def per_task_rule(self) -> str:
        """The selection rule under which each task has its own best epoch, or else the nearest that the record has."""
        return next(rule for rule in ("per_task", "val", "last") if rule in self.statistics)

    def seal(self) -> "ResultRecord":
        """The same record with the digest over its other content. Raises ValueError where a number is not finite."""
        return self.model_copy(update={"digest": self.content_digest()})

    def content_digest(self) -> str:
        """SHA-256 of the canonical JSON of everything but the digest, values that equal their default left out.

        Leaving defaults out lets a record gain a field without breaking the digests of stored ones. Raises
        ValueError where a number is not finite.
        """
        return digest(self.model_dump(mode="json", exclude={"digest"}, exclude_defaults=True))

    def _find_gaps(self) -> list[str]:
        """What a finished run should have and this one has not, against its own protocol.

        Tasks are those of the protocol's metrics; there are statistics and an epoch for every
        selection rule and task; statistics that count rows count all rows of the test split.
        """
        if self.spec.is_trial:
            return self._find_trial_gaps()
        protocol, tasks, gaps = self.spec.protocol, set(self.tasks), []
        if self.validation and not self._has_validation():
            gaps.append(
                "validation: should be there for trials of a search and runs under other settings, a positive error "
                "for every task"
            )
        if sorted(self.tasks) != sorted(protocol.metrics):
            gaps.append("tasks: should be those of the protocol's metrics")
        rules = set(protocol.rules)
        if set(self.statistics) != rules or set(self.selection) != rules:
            gaps.append(f"statistics: should be there for the rules {', '.join(sorted(rules))}")
        for rule, epochs in self.selection.items():
            if epochs.keys() != tasks or not all(1 <= e <= protocol.epochs for e in epochs.values()):
                gaps.append(f"selection.{rule}: should name an epoch in [1, {protocol.epochs}] for every task")
        for rule, states in self.statistics.items():
            if states.keys() != tasks:
                gaps.append(f"statistics.{rule}: should hold every task")
            elif not self._covers_test(states):
                gaps.append(f"statistics.{rule}: should count the {protocol.splits['test']} test rows")
        return gaps

    def _has_validation(self) -> bool:
        """Whether validation errors may stand here, and do for every task.

        A run under settings of its own has them, since a curve over a setting is chosen from by them.
        """
        return bool(self.spec.overrides) and self._validates_all_tasks()

    def _validates_all_tasks(self) -> bool:
        """Whether there is a positive validation error for every task, and for nothing else."""
        return sorted(self.validation) == sorted(self.tasks) and all(error > 0 for error in self.validation.values())

    def _find_trial_gaps(self) -> list[str]:
        """A trial has a positive validation error for every task, and nothing of the test split.

        A search that had seen the test split would choose by it, so its trials may not hold any.
        """
        gaps = []
        if sorted(self.tasks) != sorted(self.spec.protocol.metrics):
            gaps.append("tasks: should be those of the protocol's metrics")
        if not self._validates_all_tasks():
            gaps.append("validation: should hold a positive error for every task")
        if self.statistics or self.scores:
            gaps.append("statistics: a trial should hold none of the test split")
        return gaps

    def _covers_test(self, states: dict[str, Statistics]) -> bool:
        """Whether statistics that count rows count every row of the test split: each task all of them, or all together.

        The second case is tasks with rows of their own, which divide the split among themselves. Where labels are
        missing, each task counts the rows that have one, as `labels` tells.
        """
        from bench.scores import KINDS

        # A kind without `rows` may leave rows out, as pixels without depth, and is not held to a number.
        metrics, wanted = self.spec.protocol.metrics, self.spec.protocol.splits["test"]
        counters = {task: KINDS[metrics[task]].rows for task in states if metrics.get(task) in KINDS}
        try:
            counts = [count(states[task]) for task, count in counters.items() if count]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return True  # what cannot be counted cannot be scored either, and is named there
        if labelled := self.labels.get("test"):
            own = [labelled.get(task) for task, count in counters.items() if count]
            return counts == own and max(labelled.values()) <= wanted
        return all(count == wanted for count in counts) or (len(counts) == len(states) and sum(counts) == wanted)

    def find_problems(self) -> list[str]:
        """What is wrong with this record on its own: digest, run id, status, scores against statistics.

        Each problem reads "place: what should be there". An empty list means that the record agrees
        with itself, not that it was trained: `mtlbench verify --rerun` tells that.
        """
        problems = []
        try:
            if self.digest != self.content_digest():
                problems.append("digest: does not match the content")
        except ValueError:
            problems.append("digest: there is none of a content with a number that is not finite")
        if self.run_id != self.spec.run_id:
            problems.append(f"run_id: should be {self.spec.run_id}, found {self.run_id}")
        if (self.status == "failed") != (self.error is not None):
            problems.append("error: should be there exactly when status is failed")
        if self.status == "done" and not self.statistics and not self.spec.is_trial:
            problems.append("statistics: missing from a finished run")
        problems += _find_wrong_names(self.suite, self.method, self.spec.suite, self.spec.method)
        from bench.scores import explain_unknown_kinds  # the metric definitions, needed for checking only

        if unknown := explain_unknown_kinds(self.spec.protocol.metrics):
            return [*problems, f"metrics: {unknown}"]  # the checks that follow look each kind up
        problems += self._find_wrong_scores()
        states = self.statistics.get("val") or self.statistics.get("last", {})
        problems += explain_wrong_rows(self.correct_rows, states, self.spec.protocol.metrics)
        return problems + (self._find_gaps() if self.status == "done" else [])

    def _find_wrong_scores(self) -> list[str]:
        """The scores that do not follow from their statistics, beyond rounding (1e-9 relative)."""
        from bench.scores import score

        if sorted(self.statistics) != sorted(self.scores):
            return ["scores: their selection rules differ from those of the statistics"]
        problems = []
        # Rules often keep the same epoch: each distinct state is scored once.
        known: dict[tuple[str, bytes], dict[str, float]] = {}
        for rule, tasks in self.statistics.items():
            fresh = {}
            try:
                for task, state in tasks.items():
                    same = task, marshal.dumps(state, 2)  # unlike `==`, it tells 1, 1.0 and true apart
                    if same not in known:
                        known[same] = score(self.spec.protocol.metrics[task], state)
                    fresh[task] = known[same]
            except (KeyError, TypeError, ValueError) as error:
                problems.append(f"statistics.{rule}: cannot be scored ({error})")
                continue
            if fresh == self.scores[rule]:  # as good as always; the closer look below allows for rounding
                continue
            for task, metrics in fresh.items():
                for metric, value in metrics.items():
                    stored = self.scores[rule].get(task, {}).get(metric, math.nan)
                    if not math.isclose(stored, value, rel_tol=1e-9, abs_tol=1e-12):
                        problems.append(f"scores.{rule}.{task}.{metric}: stored {stored}, recomputed {value}")
        return problems


@lru_cache(maxsize=512)  # a store has few names and many records
def _find_wrong_names(suite: str, method: str, whole_suite: str, whole_method: str) -> list[str]:
    """The short names that say something else than the canonical ones.

    A short name may leave options and the default weighting out; what it does name has to agree.
    """
    problems = []
    try:
        pairs = [("suite", parse_call(suite), parse_call(whole_suite))]
        short, whole = parse_method(method), parse_method(whole_method)
    except UsageError as error:
        return [f"method: cannot be read ({error})"]
    for part in METHOD_PARTS:
        brief, full = getattr(short, part), getattr(whole, part)
        if brief is not None and full is not None:
            pairs.append(("method", brief, full))
        elif brief is not full and (part == "constraint" or full is None or full.name != UNWEIGHTED):
            problems.append(f"method: should be short for {whole_method}")
    for name, brief, full in pairs:
        if brief.name != full.name or not brief.options.items() <= full.options.items():
            problems.append(f"{name}: `{brief}` should be short for `{full}`")
    return problems
