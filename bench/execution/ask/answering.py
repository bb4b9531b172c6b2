"""From an inquiry, however far it came, to its answer."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

from bench.catalogue.method import Method
from bench.execution.ask.cheap import score_pairs
from bench.execution.ask.floors import measure_floors
from bench.execution.ask.inquiry import Inquiry
from bench.planning.question import ALONE, TUNED_SETTING, TUNING_SEEDS, Question
from bench.records import RunSpec
from bench.records.values import SettingGrid
from leaderboard.analysis.statistics import Interval
from leaderboard.ask.answer import Findings, Spending
from leaderboard.ask.dependence import MethodDependence, compare_methods
from leaderboard.ask.grouping import Pair
from leaderboard.ask.groups import rate_predictor, read_gains
from leaderboard.ask.relations import RelationSample
from leaderboard.boards.changed import options_text, pairs_of

Number = TypeVar("Number", int, float)
SettingPairs = tuple[tuple[str, str], ...]  # what is changed in the protocol: sorted pairs of a name and a text


@dataclass
class Asked:
    """A question with everything that is measured for it: the rounds, and what costs little beside them.

    Attributes:
        inquiry: the rounds.
        options: that every command of the answer repeats, with a space before each.
        floors, floor_note: errors of baselines, as `measure_floors` gives them.
        scores: cheap scores of pairs by name.
    """

    inquiry: Inquiry
    options: str = ""
    floors: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    floor_note: str = ""
    scores: Mapping[str, Mapping[Pair, float]] = field(default_factory=dict)

    def measure_beside(self) -> None:
        """Measure baselines and cheap scores, within the budget."""
        inquiry = self.inquiry
        with inquiry.book.budget.limit():
            self.floors, self.floor_note = measure_floors(inquiry.question, inquiry.book.budget, inquiry.rules.overlap)
            if inquiry.pairs or len(inquiry.question.tasks) == 2:
                self.scores = score_pairs(inquiry)

    def make_answer(self) -> Findings:
        """The answer, however far the rounds came: of everything that was run."""
        inquiry, question, book = self.inquiry, self.inquiry.question, self.inquiry.book
        judged, pairs = inquiry.judge(), inquiry.judge_pairs()
        needed = {
            each.relation: estimate
            for each in (*judged, *pairs)
            if (estimate := inquiry.estimate_needed(each)) is not None
        }
        rates = {
            (method, main): rate
            for method in (ALONE, *question.methods)
            for main in question.mains
            if (rate := inquiry.choose_rate(method, main)) is not None
        }
        gains = read_gains(pairs or judged, question.methods[0])
        return Findings(
            suite=question.suite_text,
            tasks=question.tasks,
            mains=question.mains,
            splits=question.suite.protocol.splits,
            reference=ALONE,
            rules=inquiry.rules,
            judged=judged,
            pairs=pairs,
            needed=needed,
            rates=rates,
            alone={main: inquiry.average_alone(main) for main in question.mains},
            controls={method: changes for method in question.controls if (changes := inquiry.compare_control(method))},
            spending=Spending(
                runs=len(book.records),
                made=book.made,
                seconds=book.budget.spent,
                budget=book.budget.seconds,
                trained=book.trained,
                first=inquiry.first_after,
            ),
            ended=inquiry.ended,
            skipped=tuple(inquiry.skipped),
            left_out=question.left_out,
            predictors=[rate_predictor(name, each, gains, question.tasks) for name, each in self.scores.items()],
            dependences=self._compare_methods(),
            floors=self.floors,
            floor_note=self.floor_note,
            commands=[command + self.options for command in write_commands(question, book.specs.values())],
            errors=tuple(dict.fromkeys(book.errors.values())),
            redrawn=question.redrawn,
            settings=question.settings,
            options=self.options,
            grids={method: inquiry.read_grid(method) for method, _ in rates},
        )

    def _compare_methods(self) -> list[MethodDependence]:
        """How far every two methods order the pairs alike."""
        by_method: dict[str, list[RelationSample]] = {}
        for relation in self.inquiry.pairs:
            by_method.setdefault(relation.method, []).append(self.inquiry.sample(relation))
        found = (compare_methods(*two) for two in combinations(by_method.values(), 2))
        return [each for each in found if each]


def write_commands(question: Question, specs: Iterable[RunSpec]) -> list[str]:
    """The commands that make runs again, under the same names: one for all methods with the same settings and seeds.

    Args:
        question: whose learning rates were chosen along a curve, which is a command of its own.
        specs: of the runs.
    """
    curves: dict[SettingPairs, dict[str, set[float]]] = {}
    seeds: dict[SettingPairs, dict[str, set[int]]] = {}
    for spec in specs:
        method, settings = Method.parse(spec.method).short, pairs_of(spec.overrides)
        if question.tuned and spec.seed in TUNING_SEEDS:
            others = tuple(pair for pair in settings if pair[0] != TUNED_SETTING)
            curves.setdefault(others, {}).setdefault(method, set()).add(spec.protocol.lr)
        else:
            seeds.setdefault(settings, {}).setdefault(method, set()).add(spec.seed)
    lines = []
    for settings, tried in curves.items():
        for rates, methods in _group_alike(tried).items():
            over = f"--over {TUNED_SETTING}={'/'.join(SettingGrid(TUNED_SETTING, rates).texts)} "
            lines.append(_write_command("curve", question, sorted(methods), TUNING_SEEDS, settings, over))
    for settings, each in seeds.items():
        for own, methods in _group_alike(each).items():
            lines.append(_write_command("run", question, methods, own, settings))
    return lines


def _group_alike(values: Mapping[str, set[Number]]) -> dict[tuple[Number, ...], list[str]]:
    """Sorted values -> the methods that have just these."""
    alike: dict[tuple[Number, ...], list[str]] = {}
    for method, own in values.items():
        alike.setdefault(tuple(sorted(own)), []).append(method)
    return alike


def _write_command(
    verb: str,
    question: Question,
    methods: Sequence[str],
    seeds: tuple[int, ...],
    settings: SettingPairs,
    over: str = "",
) -> str:
    """A command that makes runs of methods on the suite of a question."""
    words = " ".join(map(shlex.quote, [question.suite_text, *methods]))
    return f"mtlbench {verb} {words} {over}--seeds {_write_seeds(seeds)} {options_text('--set', settings)}".rstrip()


def _write_seeds(seeds: tuple[int, ...]) -> str:
    """Seeds as `--seeds` takes them: `0-4` where they follow each other."""
    if len(seeds) > 1 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))
