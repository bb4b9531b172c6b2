"""Dials: the runs of one method at several values of one of its options, everything else alike.

`mtlbench sweep` makes such runs; any others that happen to form a dial are found as well. The site draws them. The rows
of a board at their own best rates form a dial too: each point is then at the value of a setting that its own curve
chose.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from bench.errors import UsageError
from bench.records import METHOD_PARTS, Call, MethodText, ResultRecord, canonical_json, parse_method
from bench.scores import primary_error
from leaderboard.analysis.statistics import interval
from leaderboard.boards.board import Board
from leaderboard.boards.comparability import keep_last_code, protocol_text
from leaderboard.boards.own_best import choose_best_runs

# Three points are a comparison; a shape needs more.
FEWEST = 4  # values
# No sharing and one trunk for all: what the two ends of most dials should come near.
ENDS = ("single_task", "hard")


@dataclass(frozen=True)
class Dial:
    """One option of one method on one suite, under settings that may differ from the suite's own.

    Attributes:
        suite: its short name.
        method: in short form, without the option.
        option: the name of the option.
        settings: changed settings, as `lr=0.05 optimiser=sgd`; `own best lr` where each point has its own; empty on the
            suite's protocol.
        points: value of the option, from large to small -> its runs in the order of seeds.
        ends: plain method (ENDS) -> its runs under the same settings, where there are any.
    """

    suite: str
    method: str
    option: str
    settings: str
    points: dict[float, list[ResultRecord]]
    ends: dict[str, list[ResultRecord]]

    @property
    def of_best(self) -> bool:
        """Whether each point is at the value of a setting that its own curve chose."""
        return all(run.spec.is_best_of_curve for runs in self.points.values() for run in runs)


def find_dials(records: Sequence[ResultRecord], boards: Iterable[Board] = ()) -> list[Dial]:
    """Every option with finished runs at FEWEST values or more, in the order of suites.

    Trials of searches and their winners are skipped: they differ in more than one option.

    Args:
        records: of a store, in any order.
        boards: of those whose rows are at their own best values, the rows form dials, and the runs that chose do not:
            at each single value they would form one dial more.
    """
    own = keep_last_code(_leave_out_searches(records, [board for board in boards if board.curve]))
    kept = sorted((record for record in own if record.status == "done"), key=lambda record: record.spec.seed)
    groups: dict[tuple[str, ...], dict[float, list[ResultRecord]]] = {}
    for record in kept:
        # A run is a point of several dials where its method has several options with numbers.
        for option, value, rest in _split_options(record.spec.method):
            key = record.suite, settings_of(record), alike_protocol_text(record), option, rest
            groups.setdefault(key, {}).setdefault(value, []).append(record)
    return [_dial(key, points, kept) for key, points in sorted(groups.items()) if len(points) >= FEWEST]


def _leave_out_searches(records: Sequence[ResultRecord], boards: Sequence[Board]) -> Iterator[ResultRecord]:
    """The runs that are part of no search, and those that a board with a curve shows."""
    # A best value may have been another one before more runs were made: only what is chosen now is a row.
    shown = {run.run_id for board in boards for run in choose_best_runs(board, records)[0].values()}
    for record in records:
        plain = record.spec.tuning is None and not any(board.is_of_curve(record) for board in boards)
        if plain or record.run_id in shown:
            yield record


def settings_of(record: ResultRecord) -> str:
    """The changed settings of a run, sorted, as `lr=0.05 optimiser=sgd`; empty on the suite's own protocol.

    Of a run at the value that its method's curve chose, the settings have no values: `own best lr`.
    """
    if record.spec.is_best_of_curve:
        return f"own best {' '.join(sorted(record.spec.overrides))}"
    return " ".join(f"{key}={value}" for key, value in sorted(record.spec.overrides.items()))


def alike_protocol_text(record: ResultRecord) -> str:
    """A text that runs of one dial share: the protocol, without the settings that each point has of its own."""
    if not record.spec.is_best_of_curve:
        return protocol_text(record)
    return canonical_json(record.spec.protocol.model_dump(mode="json", exclude=set(record.spec.overrides)))


def _dial(key: tuple[str, ...], points: dict[float, list[ResultRecord]], kept: list[ResultRecord]) -> Dial:
    """The dial of a key: its runs by value, and those of the plain methods under the same protocol and settings."""
    suite, settings, protocol, option, _ = key
    # Options at their default are left out of short texts: of several spellings the shortest is the method's name.
    texts = [_drop_option(record.method, option) for runs in points.values() for record in runs]
    ends = {
        name: [
            r
            for r in kept
            if r.suite == suite
            and r.method == name
            and settings_of(r) == settings
            and alike_protocol_text(r) == protocol
        ]
        for name in ENDS
    }
    ordered = {value: points[value] for value in sorted(points, reverse=True)}
    return Dial(suite, min(texts, key=len), option, settings, ordered, {n: runs for n, runs in ends.items() if runs})


@lru_cache(maxsize=10_000)
def _split_options(text: str) -> list[tuple[str, float, str]]:
    """Every option with a number: (its name, the number, the method without it).

    Empty for a text that is no method any more, as old records may have.
    """
    try:
        method = parse_method(text)
    except UsageError:
        return []
    options = []
    for part in METHOD_PARTS:
        call: Call | None = getattr(method, part)
        for option, text in call.options.items() if call else ():
            try:
                value = float(text)
            except ValueError:
                continue
            if call and not math.isnan(value):
                rest = {key: other for key, other in call.options.items() if key != option}
                options.append((option, value, str(replace(method, **{part: Call(call.name, rest)}))))
    return options


def _drop_option(text: str, option: str) -> str:
    """A method in short form without one option, in whichever of its parts."""
    method = parse_method(text)

    def drop(call: Call) -> Call:
        """The same part without the option."""
        return Call(call.name, {key: value for key, value in call.options.items() if key != option})

    constraint, weighting = (call and drop(call) for call in (method.constraint, method.weighting))
    return str(MethodText(drop(method.sharing), constraint, weighting))


def compute_dial_errors(runs: list[ResultRecord]) -> list[float]:
    """[run] of the geometric mean over tasks of the primary error, in percent.

    Each task counts at its own best epoch (`per_task`), or under the first rule of a record without that one.
    """
    errors = []
    for run in runs:
        kinds = run.spec.protocol.metrics
        states = run.statistics.get("per_task") or next(iter(run.statistics.values()))
        errors.append(
            100 * math.exp(np.mean([math.log(primary_error(kinds[task], states[task])) for task in run.tasks]))
        )
    return errors


def summarise_dial_sample(sample: list[float], geometric: bool) -> tuple[float, float, float]:
    """(mean, low end, high end) of one number per run, with the 95 % t interval.

    Geometric ones are taken of logarithms and back, so that the interval of an error stays above zero. Both ends equal
    the mean where there are too few runs for an interval.
    """
    values = np.log(sample) if geometric else np.array(sample)
    estimate = interval(values)
    ends = [estimate.mean, *(estimate.mean if end is None else end for end in (estimate.low, estimate.high))]
    middle, low, high = (math.exp(end) for end in ends) if geometric else ends
    return middle, low, high
