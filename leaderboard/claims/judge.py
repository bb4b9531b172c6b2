"""What stored runs say of claims: an estimate over seeds, and a verdict that is corrected over all claims of a list."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import UsageError, hint
from bench.records import ResultRecord
from bench.records.record import Statistics
from bench.scores import list_metrics, primary_error, score
from leaderboard.analysis.statistics import LEVEL, Interval, equivalence_t, holm, interval
from leaderboard.analysis.statistics.significance import paired_t_rows
from leaderboard.claims.claim import Claim, Gain

ClaimVerdict = Literal["as stated", "the other way round", "no difference of 5 %", "not shown", "not run"]


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with what the runs say.

    Attributes:
        claim: as written.
        estimate: mean over seeds with its own 95 % interval; None where no seed has all runs.
        p: of the paired t test that the gain is none, adjusted by Holm over all claims that were run.
        equivalent: p of the two one-sided tests that it lies outside 5 % of error, adjusted likewise.
        run_ids: of the runs that were read.
    """

    claim: Claim
    estimate: Interval | None
    p: float
    equivalent: float
    run_ids: tuple[str, ...]

    @property
    def verdict(self) -> ClaimVerdict:
        """Whether the gain has the sign that was expected.

        `no difference of 5 %`: the gain is shown to lie within 5 % of error, where one was expected. Uses of inputs
        are no errors, and have no such margin.
        """
        if self.estimate is None or not math.isfinite(self.estimate.mean):
            return "not run"
        shown, expected = self.p <= 1 - LEVEL, self.claim.expected
        same = self.equivalent <= 1 - LEVEL and not self.claim.blocks
        if shown:
            found = "more" if self.estimate.mean > 0 else "less"
            meant = {"no more": "less", "no less": "more"}.get(expected, expected)
            # A difference that is certain and small is the same all the same, where that was expected.
            return "as stated" if found == meant or (same and expected == "same") else "the other way round"
        if same:
            return "no difference of 5 %" if expected in ("more", "less") else "as stated"
        return "not shown"


def judge_claims(claims: Sequence[Claim], records: Iterable[ResultRecord]) -> list[JudgedClaim]:
    """The verdict of every claim, one family of tests; those without runs are no part of it.

    Args:
        claims: of one list.
        records: of a store; which of them decide a claim follows from its names and settings.
    """
    shelf = _Shelf(records)
    samples = [shelf.read_claim(claim) for claim in claims]
    length = max((len(values) for values, _ in samples), default=0)
    rows = np.full((len(claims), length), math.nan)
    for row, (values, _) in zip(rows, samples, strict=True):
        row[: len(values)] = list(values.values())
    different = holm(paired_t_rows(rows)) if length else [math.nan] * len(claims)
    same = holm(equivalence_t(rows)) if length else [math.nan] * len(claims)
    return [
        JudgedClaim(claim, interval(list(values.values())) if values else None, float(p), float(q), runs)
        for claim, (values, runs), p, q in zip(claims, samples, different, same, strict=True)
    ]


class _Shelf:
    """Records by suite, method, changed settings and seed."""

    def __init__(self, records: Iterable[ResultRecord]) -> None:
        self._runs: dict[tuple[str, str, str], dict[int, ResultRecord]] = {}
        for record in records:
            if record.status == "done" and not record.spec.is_trial and record.statistics:
                for suite in {record.suite, record.spec.suite}:
                    for method in {record.method, record.spec.method}:
                        self._runs.setdefault((suite, method, _write_settings(record)), {})[record.spec.seed] = record

    def read_claim(self, claim: Claim) -> tuple[dict[int, float], tuple[str, ...]]:
        """Seed -> the gain of a claim, less that of `beyond`, and the runs behind it."""
        values, runs = self._read_gain(claim)
        if claim.beyond:
            others, more = self._read_gain(claim.beyond)
            values = {seed: value - others[seed] for seed, value in values.items() if seed in others}
            runs |= more
        return values, tuple(run_id for seed in values for run_id in runs.get(seed, ()))

    def _read_gain(self, gain: Gain) -> tuple[dict[int, float], dict[int, tuple[str, ...]]]:
        """Seed -> the gain, and seed -> the runs behind it."""
        method = self._find(gain.suite, gain.method, gain.settings)
        place = gain.against_suite or gain.suite
        against = self._find(place, gain.against, gain.against_settings) if gain.against else {}
        values, runs = {}, {}
        for seed, record in sorted(method.items()):
            other = against.get(seed)
            if gain.against and other is None:
                continue
            value = _read_value(record, gain) - (_read_value(other, gain) if other else 0.0)
            if math.isfinite(value):
                values[seed] = value
                runs[seed] = tuple(each.run_id for each in (record, other) if each)
        return values, runs

    def _find(self, suite: str, method: str, settings: Mapping[str, str]) -> dict[int, ResultRecord]:
        """Seed -> run; without settings those at the value that the method's own curve chose, or else plain ones."""
        if settings:
            written = " ".join(f"{key}={value}" for key, value in sorted(settings.items()))
            return self._runs.get((suite, method, written), {})
        return self._runs.get((suite, method, "best")) or self._runs.get((suite, method, ""), {})


def _write_settings(record: ResultRecord) -> str:
    """The changed settings of a run as sorted text; `best` for a run at the value that its method's curve chose."""
    if record.spec.is_best_of_curve:
        return "best"
    return " ".join(f"{key}={value}" for key, value in sorted(record.spec.overrides.items()))


def _read_value(record: ResultRecord, gain: Gain) -> float:
    """-log error of the task, or the mean over tasks, or by how much more it uses the first block than the second."""
    if gain.blocks:
        if record.probes is None:
            return math.nan
        first, second = (record.probes.blocks.get(block, {}).get(gain.task, math.nan) for block in gain.blocks)
        return first - second
    statistics, kinds = record.statistics[record.per_task_rule], record.spec.protocol.metrics
    if gain.task and gain.task not in statistics:
        return math.nan
    if gain.metric:
        return _read_distance(kinds[gain.task], gain.metric, statistics[gain.task])
    tasks = [gain.task] if gain.task else list(statistics)
    return -float(np.mean([math.log(primary_error(kinds[task], statistics[task])) for task in tasks]))


def _read_distance(kind: str, name: str, state: Statistics) -> float:
    """-log of how far a metric is from its best value: of high - value, or of a value whose best is 0.

    NaN at the best value. Raises UsageError for a metric that the kind does not have.
    """
    metrics = list_metrics(kind)
    if name not in metrics:
        raise UsageError(
            f"`metric` of a claim should be one of those of `{kind}`. Found `{name}`; {hint(name, metrics)}."
        )
    value, high = score(kind, state)[name], metrics[name].high
    distance = high - value if metrics[name].higher_is_better else value
    return -math.log(distance) if 0 < distance < math.inf else math.nan
