"""Dials: the runs of one method at several values of one of its options, everything else alike."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from bench.errors import UsageError
from bench.records import METHOD_PARTS, Call, MethodText, ResultRecord, parse_method
from leaderboard.boards.comparability import keep_last_code, protocol_text

FEWEST = 4  # values that make a dial
ENDS = ("single_task", "hard")


@dataclass(frozen=True)
class Dial:
    """One option of one method on one suite, under the settings that were changed in the protocol.

    `points` maps the option's value to the runs there, `ends` the names of plain methods to theirs; both in the
    order of seeds, values from large to small.
    """

    suite: str
    method: str
    option: str
    settings: str
    points: dict[float, list[ResultRecord]]
    ends: dict[str, list[ResultRecord]]

    @property
    def name(self) -> str:
        """A text unique among dials."""
        return " ".join(part for part in (self.suite, self.method, self.option, self.settings) if part)


def find_dials(records: Iterable[ResultRecord]) -> list[Dial]:
    """Every option that was run at four values or more; what a search drew is no dial."""
    own = keep_last_code(record for record in records if record.spec.tuning is None)
    kept = sorted((record for record in own if record.status == "done"), key=lambda record: record.spec.seed)
    found: dict[tuple[str, ...], dict[float, list[ResultRecord]]] = {}
    for record in kept:
        for option, value, rest in _split_options(record.spec.method):
            key = record.suite, settings_of(record), protocol_text(record), option, rest
            found.setdefault(key, {}).setdefault(value, []).append(record)
    return [_dial(key, points, kept) for key, points in sorted(found.items()) if len(points) >= FEWEST]


def settings_of(record: ResultRecord) -> str:
    """What was changed in the protocol, as `lr=0.05 optimiser=sgd`; nothing on a board's own protocol."""
    return " ".join(f"{key}={value}" for key, value in sorted(record.spec.overrides.items()))


def _dial(key: tuple[str, ...], points: dict[float, list[ResultRecord]], kept: list[ResultRecord]) -> Dial:
    """The runs of a key in the order of values, and those of the plain methods under the same settings."""
    suite, settings, protocol, option, _ = key
    texts = [_drop_option(record.method, option) for runs in points.values() for record in runs]
    ends = {
        name: [
            r
            for r in kept
            if r.suite == suite and r.method == name and settings_of(r) == settings and protocol_text(r) == protocol
        ]
        for name in ENDS
    }
    ordered = {value: points[value] for value in sorted(points, reverse=True)}
    return Dial(suite, min(texts, key=len), option, settings, ordered, {n: runs for n, runs in ends.items() if runs})


@lru_cache(maxsize=10_000)
def _split_options(text: str) -> list[tuple[str, float, str]]:
    """Every option with a number: its name, the number, and the method without it."""
    try:
        method = parse_method(text)
    except UsageError:
        return []
    found = []
    for part in METHOD_PARTS:
        call: Call | None = getattr(method, part)
        for option, text in call.options.items() if call else ():
            try:
                value = float(text)
            except ValueError:
                continue
            if call and not math.isnan(value):
                rest = {key: other for key, other in call.options.items() if key != option}
                found.append((option, value, str(replace(method, **{part: Call(call.name, rest)}))))
    return found


def _drop_option(text: str, option: str) -> str:
    """A short method without one option."""
    method = parse_method(text)

    def drop(call: Call) -> Call:
        """The same call without the option."""
        return Call(call.name, {key: value for key, value in call.options.items() if key != option})

    constraint, weighting = (call and drop(call) for call in (method.constraint, method.weighting))
    return str(MethodText(drop(method.sharing), constraint, weighting))
