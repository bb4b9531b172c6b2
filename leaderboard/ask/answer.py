"""The answer to one question, as data: verdicts, what is behind them, what was spent, and how to make it again."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.records.values import GridEnd, SettingGrid
from leaderboard.analysis.statistics import Interval
from leaderboard.ask.dependence import MethodDependence
from leaderboard.ask.grouping import Grouping, search_grouping
from leaderboard.ask.groups import CheapScore, Flip, find_flips, read_gains
from leaderboard.ask.power import Needed
from leaderboard.ask.relations import TaskRelation
from leaderboard.ask.verdicts import FamilyRules, RelationVerdict
from leaderboard.boards.changed import options_text
from leaderboard.report.statistics_json import encode_estimate, finite_or_none


@dataclass(frozen=True)
class Spending:
    """What an answer cost.

    runs: behind it; made: of them those that were not stored before; seconds: wall-clock time of this command;
    budget: its limit, infinite for none; trained: seconds of training in the runs that were made; first: seconds until
    the first answer, None where the command did not get that far.
    """

    runs: int
    made: int
    seconds: float
    budget: float
    trained: float
    first: float | None


@dataclass(frozen=True)
class Findings:
    """Everything that is said about a question.

    Args:
        suite: its text.
        tasks, mains: all tasks that are learnt, and those that are asked about.
        splits: split -> rows.
        reference: the method that learns each task alone.
        rules: how verdicts were made.
        judged: each main task beside all others, under each method.
        pairs: each main task beside each other one.
        needed: undecided relation -> what it would take.
        rates: (method, main) -> the learning rate that validation chose, where one was chosen.
        grids: method -> the learning rates that it was chosen from.
        alone: main -> its error learnt alone.
        controls: method without sharing -> main -> its change against learning alone.
        floors: main -> baseline -> its error; `floor_note` says why others are missing.
        predictors: cheap scores of pairs.
        dependences: how far every two methods order the pairs alike.
        left_out: method -> why it cannot be run.
        spending: what it cost.
        ended: `decided`, `seeds`, `budget` or `interrupted`.
        skipped: rounds that the budget was not enough for.
        commands: that make the runs behind it again, one a line.
        errors: sentences on runs that failed.
        redrawn: whether seeds differ by which rows are tested, too.
        settings: changes of the protocol that the user asked for.
        options: that every command repeats, such as --store, with a space before each.
    """

    suite: str
    tasks: tuple[str, ...]
    mains: tuple[str, ...]
    splits: Mapping[str, int]
    reference: str
    rules: FamilyRules
    judged: Sequence[RelationVerdict]
    pairs: Sequence[RelationVerdict]
    needed: Mapping[TaskRelation, Needed]
    rates: Mapping[tuple[str, str], float]
    alone: Mapping[str, Interval]
    controls: Mapping[str, Mapping[str, Interval]]
    spending: Spending
    ended: str
    skipped: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    predictors: Sequence[CheapScore] = ()
    dependences: Sequence[MethodDependence] = ()
    floors: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    floor_note: str = ""
    commands: Sequence[str] = ()
    errors: Sequence[str] = ()
    redrawn: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    options: str = ""
    grids: Mapping[str, SettingGrid] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """The methods that were asked about, in order."""
        return list(dict.fromkeys(each.relation.method for each in self.judged))

    @cached_property
    def flips(self) -> list[Flip]:
        """Where two methods say the opposite."""
        return find_flips([*self.judged, *self.pairs])

    @cached_property
    def edges(self) -> dict[tuple[str, GridEnd, float], list[str]]:
        """(method, end, rate) -> the main tasks that do best at the rate, which is the last one tried at that end.

        Only where the protocol takes a rate beyond.
        """
        found: dict[tuple[str, GridEnd, float], list[str]] = {}
        for (method, main), rate in self.rates.items():
            grid = self.grids[method]
            for end in grid.find_ends(rate):
                if grid.next_value(end) is not None:
                    found.setdefault((method, end, rate), []).append(main)
        return found

    @cached_property
    def grouping(self) -> Grouping | None:
        """Which tasks to group, as foretold by the pairs of the first method that has them all."""
        found = (search_grouping(self.tasks, read_gains(self.pairs, method), method) for method in self.methods)
        return next((each for each in found if each), None)

    def choose_best(self, main: str) -> RelationVerdict | None:
        """The method that a task should be learnt with: of those shown to have less error than alone, the least error.

        None where none is: then alone.
        """
        better = [
            each
            for each in self.judged
            if each.relation.main == main and each.against_alone and each.against_alone.direction == "better"
        ]
        return max(better, key=lambda each: each.alone.mean, default=None)

    @cached_property
    def recommended(self) -> str:
        """One method for all tasks that are asked about: of the largest mean change over what is shown; else alone."""

        def total(method: str) -> float:
            """What is shown of a method, summed over the tasks; what is undecided counts nothing."""
            own = [each for each in self.judged if each.relation.method == method]
            return sum(each.alone.mean for each in own if each.against_alone and math.isfinite(each.alone.mean))

        best = max(self.methods, key=total, default=self.reference)
        return best if self.methods and total(best) > 0 else self.reference

    @property
    def recommended_command(self) -> str:
        """The command that trains the recommended method, at the learning rate that most tasks chose."""
        rates = [rate for (method, _), rate in self.rates.items() if method == self.recommended]
        rate = max(rates, key=rates.count) if rates else None
        settings = {**self.settings, **({"lr": f"{rate:g}"} if rate is not None else {})}
        command = f"mtlbench run {shlex.quote(self.suite)} {shlex.quote(self.recommended)} --seeds 0-4"
        return f"{command} {options_text('--set', settings.items())}".rstrip() + self.options

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON values; a number that is not finite is null."""
        return {
            "suite": self.suite,
            "tasks": list(self.tasks),
            "splits": dict(self.splits),
            "ended": self.ended,
            "design": {
                "looks": [{"seeds": seeds, "alpha": share} for seeds, share in self.rules.looks],
                "alpha": self.rules.looks.alpha,
                "margin": math.expm1(self.rules.margin),
                "adjust": self.rules.adjust,
                "overlap": self.rules.overlap,
                "relations": len(self.judged),
                "pairs": len(self.pairs),
            },
            "verdicts": [self._write_judgement(each) for each in self.judged],
            "pairs": [self._write_judgement(each) for each in self.pairs],
            "alone": {main: encode_estimate(error) for main, error in self.alone.items()},
            "controls": {
                method: {main: encode_estimate(change) for main, change in changes.items()}
                for method, changes in self.controls.items()
            },
            "floors": {
                m: {name: encode_estimate(e) for name, e in errors.items()} for m, errors in self.floors.items()
            },
            "floor_note": self.floor_note,
            "rates": {
                "tried": {method: list(grid.values) for method, grid in self.grids.items()},
                "at_an_end": [
                    {"method": method, "end": end, "rate": rate, "mains": mains}
                    for (method, end, rate), mains in self.edges.items()
                ],
            },
            "flips": [vars(flip) | {"extras": list(flip.extras)} for flip in self.flips],
            "grouping": self.grouping
            and {"groups": [list(g) for g in self.grouping.groups], "gain": self.grouping.gain}
            | {"method": self.grouping.method},
            "predictors": [
                {
                    "name": each.name,
                    "tau": finite_or_none(each.tau),
                    "regret": finite_or_none(each.regret),
                    "cells": each.cells,
                    "scores": [[main, extra, finite_or_none(score)] for (main, extra), score in each.scores.items()],
                }
                for each in self.predictors
            ],
            "dependences": [
                {
                    name: finite_or_none(value) if isinstance(value, float) else value
                    for name, value in vars(each).items()
                }
                for each in self.dependences
            ],
            "recommended": {
                "method": self.recommended,
                "command": self.recommended_command,
                "tasks": {
                    main: best.relation.method if (best := self.choose_best(main)) else self.reference
                    for main in self.mains
                },
            },
            "cost": {name: finite_or_none(value) for name, value in vars(self.spending).items()},
            "skipped": list(self.skipped),
            "left_out": dict(self.left_out),
            "errors": list(self.errors),
            "commands": list(self.commands),
        }

    def _write_judgement(self, each: RelationVerdict) -> dict[str, Any]:
        """A judgement as JSON values."""
        needed = self.needed.get(each.relation)
        return {
            "main": each.relation.main,
            "extras": list(each.relation.extras),
            "method": each.relation.method,
            "verdict": each.verdict,
            "reading": each.reading,
            "change": encode_estimate(each.alone),
            "against_shuffled": encode_estimate(each.shuffled),
            "decided": {
                "alone": each.against_alone and vars(each.against_alone),
                "shuffled": each.against_shuffled and vars(each.against_shuffled),
            },
            "needed": needed
            and {"seeds": needed.seeds, "rows": finite_or_none(needed.rows), "to_show": needed.to_show},
            "lr": self.rates.get((each.relation.method, each.relation.main)),
        }
