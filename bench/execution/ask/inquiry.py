"""The rounds of a question: which runs come next, given those that are there.

Rounds go from what answers soonest to what refines it: the learning rates of the first two methods, with further ones
where the best is the last, both methods at the first look, extras with shuffled labels where an answer hangs on them,
the other methods, pairs of tasks, and further seeds for what is still undecided.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bench.catalogue.options import write
from bench.errors import count_nouns
from bench.execution.ask.book import RunBook
from bench.execution.ask.budget import BudgetSpent
from bench.planning.question import ALONE, Question
from bench.records import RunSpec
from bench.records.values import SettingGrid
from leaderboard.analysis.statistics import Interval, interval
from leaderboard.ask.power import Needed, estimate_needed
from leaderboard.ask.relations import RelationSample, TaskRelation
from leaderboard.ask.verdicts import FamilyRules, RelationVerdict, judge_family

HOPELESS = 4  # times the seeds of the last look: what needs more than that is not run further
MUST = math.inf  # share of the budget that is left, for rounds that give the first answer
FURTHER_SHARE = 0.25  # of the budget that is left, for further learning rates: the rest is for what is asked
FURTHER_STEPS = 2  # at most, of further learning rates
FURTHER_RATES = 2  # of a step: two take hardly longer than one, trained as one stack


@dataclass(frozen=True)
class Round:
    """Runs that belong together.

    name: for people.
    specs: those that are stored, too.
    share: of the budget that is left, which they may take by the forecast; they are left out where it is more.
    """

    name: str
    specs: list[RunSpec]
    share: float = 1.0


@dataclass
class Inquiry:
    """One question on its way to an answer.

    Args:
        question: what is asked.
        book: runs cells, and knows what became of them.
        rules: how verdicts are made.
        tell: called with a sentence when a round begins or is left out.
        on_first: called once when the first answer is there.

    Attributes:
        grids: method -> the learning rates that it was tried at, where they are more than those of all.
        skipped: names of rounds that the budget was not enough for.
        ended: why no more is run: `decided`, `seeds`, `budget`, `interrupted`; empty before the end.
        first_after: seconds until the first answer; None before it.
    """

    question: Question
    book: RunBook
    rules: FamilyRules
    tell: Callable[[str], None] = lambda sentence: None
    on_first: Callable[[], None] = lambda: None
    grids: dict[str, SettingGrid] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    ended: str = ""
    _begun: set[TaskRelation] = field(default_factory=set)  # relations whose runs were planned
    _dealt: set[TaskRelation] = field(default_factory=set)  # those whose runs with shuffled labels were
    first_after: float | None = None

    def run(self) -> None:
        """Run round after round until everything is decided, the budget is spent or the user interrupts."""
        try:
            for each in self.list_rounds():
                if self.first_after is None and self._has_first():
                    self.first_after = self.book.budget.spent
                    self.on_first()
                self._run_round(each)
        except BudgetSpent:
            self.ended = "budget"
        except KeyboardInterrupt:
            self.ended = "interrupted"
        else:
            everything = [*self.judge(), *self.judge_pairs()]
            decided = all(each.settled for each in everything)
            self.ended = "decided" if decided else "budget" if self.skipped else "seeds"

    def _run_round(self, each: Round) -> None:
        """Run a round that is not there yet, where the budget allows it."""
        missing = self.book.list_missing(each.specs)
        if not missing:
            return
        seconds = self.book.estimate(missing)
        if seconds is not None and seconds > each.share * self.book.budget.left:
            self.skipped.append(each.name)
            self.tell(
                f"Left out for the budget: {each.name} ({count_nouns(len(missing), 'run')}, about {seconds:.0f} s)."
            )
            return
        self.tell(
            f"{each.name}: {count_nouns(len(missing), 'run')}"
            + (f", about {seconds:.0f} s" if seconds is not None else "")
        )
        self.book.run(missing)

    def _has_first(self) -> bool:
        """Whether the first method and learning alone were run on the seeds of the first look."""
        own = [relation for relation in self.relations if relation.method == self.question.methods[0]]
        return all(self.sample(relation).alone.size >= self.rules.looks.seeds[0] for relation in own)

    # --- which runs ------------------------------------------------------------------------------

    def list_rounds(self, *, ahead: bool = False) -> Iterator[Round]:
        """The rounds in order. Each is made when those before it have been run, since it depends on what they say.

        With `ahead` nothing need be run: the rounds are those up to the first look, which depend on no results.
        """
        question, seeds = self.question, self.rules.looks.seeds
        first, others = question.methods[0], question.methods[1:]
        yield from self._tune(ALONE, first, share=MUST)
        own = [relation for relation in self.relations if relation.method == first]
        yield Round(f"{ALONE} and {first} at {seeds[0]} seeds", self._plan(own, seeds[0]), MUST)
        yield self._shuffle(own, seeds[0])
        for method in [*others, *question.controls]:
            yield from self._tune(method)
            if question.tuned and not self.has_tuned(method) and not ahead:
                continue  # at a rate that nobody chose it would be compared with methods at their best
            if method in question.controls:
                yield Round(f"control {method} at {seeds[0]} seeds", self._plan_control(method, seeds[0]))
            else:
                own = [relation for relation in self.relations if relation.method == method]
                yield Round(f"{method} at {seeds[0]} seeds", self._plan(own, seeds[0]))
        yield self._shuffle(self.relations, seeds[0])
        for method in question.pair_methods:
            own = [relation for relation in self.pairs if relation.method == method]
            yield Round(f"pairs of tasks under {method} at {seeds[0]} seeds", self._plan(own, seeds[0]))
        yield self._shuffle(self.pairs, seeds[0], "pairs")
        for count in seeds[1:]:
            for relations, name in ((self.relations, "tasks"), (self.pairs, "pairs")):
                yield Round(f"undecided {name} at {count} seeds", self._plan(self._find_open(relations), count))
                yield self._shuffle(relations, count, name)

    @cached_property
    def relations(self) -> list[TaskRelation]:
        """Each main task beside all others, under each method: one family."""
        tasks = self.question.tasks
        return [
            TaskRelation(main, tuple(task for task in tasks if task != main), method)
            for method in self.question.methods
            for main in self.question.mains
        ]

    @cached_property
    def pairs(self) -> list[TaskRelation]:
        """Each main task beside each other one: a family of its own. With two tasks it is the other family."""
        tasks = self.question.tasks
        if len(tasks) == 2:
            return []
        return [
            TaskRelation(main, (extra,), method)
            for method in self.question.pair_methods
            for main in self.question.mains
            for extra in tasks
            if extra != main
        ]

    def _tune(self, *methods: str, share: float = 1.0) -> Iterator[Round]:
        """Methods at the learning rates that all are tried at, then at further ones where the best is the last."""
        names = " and ".join(methods)
        specs = [spec for method in methods for spec in self.question.plan_tuning(method)]
        yield Round(f"learning rates of {names}", specs, share)
        for _ in range(FURTHER_STEPS):
            further = {method: grid for method in methods if (grid := self._reach_further(method))}
            specs = [spec for method, grid in further.items() for spec in self.question.plan_tuning(method, grid)]
            yield Round(f"further learning rates of {' and '.join(further)}", specs, FURTHER_SHARE)
            ended = {method: grid for method, grid in further.items() if self.has_tuned(method, grid)}
            if not ended:
                break
            self.grids |= ended

    def _reach_further(self, method: str) -> SettingGrid | None:
        """The learning rates of a method, further ones at each end where a main task does best; None for no such end.

        Also none where the protocol takes no rate beyond.
        """
        known = grid = self.read_grid(method)
        for end in {end for main in self.question.mains for end in known.find_ends(self.choose_rate(method, main))}:
            for _ in range(FURTHER_RATES):
                value = grid.next_value(end)
                grid = grid.extend(value) if value is not None else grid
        return grid if grid != known else None

    def read_grid(self, method: str) -> SettingGrid:
        """The learning rates that a method was tried at, or will be first."""
        return self.grids.get(method, self.question.grid)

    def has_tuned(self, method: str, grid: SettingGrid | None = None) -> bool:
        """Whether every run of a method at its learning rates, or those of `grid`, has ended."""
        return not self.book.list_missing(self.question.plan_tuning(method, grid or self.read_grid(method)))

    def choose_rate(self, method: str, main: str) -> float | None:
        """The learning rate at which the main task's own error on validation is least, over the seeds that choose.

        None where the question is not tuned, or every rate has a failed run: the protocol's own then.
        """
        if not self.question.tuned or not self.has_tuned(method):
            return None
        grid = self.read_grid(method)
        if (method, main, grid) not in self._rates:
            self._rates[method, main, grid] = self.book.choose_rate(self.question.plan_tuning(method, grid), main)
        return self._rates[method, main, grid]

    @cached_property
    def _rates(self) -> dict[tuple[str, str, SettingGrid], float | None]:
        return {}

    def plan_alone(self, main: str, seed: int, method: str = ALONE) -> RunSpec:
        """The run in which a main task shares nothing: under the reference, beside those that chose the same rate.

        There a task's numbers do not depend on who else is in the run (but for the order of rows of its own), so that
        one run does for several. A control is as large as all tasks together, and has them all.
        """
        rate = self.choose_rate(method, main)
        alike = [task for task in self.question.mains if method == ALONE and self.choose_rate(method, task) == rate]
        return self.question.spec(method, seed, rate, alike)

    def plan_together(self, relation: TaskRelation, seed: int, shuffled: bool = False) -> RunSpec:
        """The run of a relation, or the same beside extras with shuffled labels."""
        rate, tasks = self.choose_rate(relation.method, relation.main), (relation.main, *relation.extras)
        changes = {"shuffled": write(relation.extras)} if shuffled else {}
        return self.question.spec(relation.method, seed, rate, tasks, changes)

    def _plan(self, relations: Sequence[TaskRelation], seeds: int) -> list[RunSpec]:
        """The runs of relations on the first seeds, and those of their main tasks alone."""
        self._begun.update(relations)
        return [
            spec
            for seed in range(seeds)
            for relation in relations
            for spec in (self.plan_alone(relation.main, seed), self.plan_together(relation, seed))
        ]

    def _plan_control(self, method: str, seeds: int) -> list[RunSpec]:
        return [self.plan_alone(main, seed, method) for seed in range(seeds) for main in self.question.mains]

    def _shuffle(self, relations: Sequence[TaskRelation], seeds: int, name: str = "tasks") -> Round:
        """Runs beside shuffled extras of the relations whose answer hangs on them: those that are better than alone,
        and, of the first method, everything else that is decided: it is asked whether the labels say something.
        """
        first = self.question.methods[0]
        wanted = []
        for judged in self._judge(relations):
            decided, relation = judged.against_alone, judged.relation
            if decided is None or judged.against_shuffled is not None:
                continue
            asked = decided.direction == "better" or relation.method == first
            if asked and self.sample(relation).alone.size >= seeds:
                wanted.append(relation)
        self._dealt.update(wanted)
        specs = [self.plan_together(relation, seed, True) for seed in range(seeds) for relation in wanted]
        return Round(f"{name} beside shuffled labels at {seeds} seeds", specs)

    def _find_open(self, relations: Sequence[TaskRelation]) -> list[TaskRelation]:
        """Those that are undecided and that the seeds of the design may still decide."""
        most, found = self.rules.looks.seeds[-1], []
        for judged in self._judge(relations):
            needed = self.estimate_needed(judged)
            hopeless = needed is not None and (needed.seeds is None or needed.seeds > HOPELESS * most)
            if not judged.settled and not hopeless and self.sample(judged.relation).alone.size:
                found.append(judged.relation)
        return found

    # --- what they say ---------------------------------------------------------------------------

    def sample(self, relation: TaskRelation) -> RelationSample:
        """The paired differences of a relation as far as its runs go."""
        alone, shuffled = list[float](), list[float]()
        for seed in range(self.rules.looks.seeds[-1] if relation in self._begun else 0):
            own = self.book.error(self.plan_together(relation, seed), relation.main)
            base = self.book.error(self.plan_alone(relation.main, seed), relation.main)
            if own is None or base is None:
                break
            alone.append(math.log(base / own))
            if relation in self._dealt and len(shuffled) == seed:
                other = self.book.error(self.plan_together(relation, seed, shuffled=True), relation.main)
                shuffled += [math.log(other / own)] if other is not None else []
        return RelationSample(relation, np.array(alone), np.array(shuffled))

    def judge(self) -> list[RelationVerdict]:
        """Each main task beside all others, under each method."""
        return self._judge(self.relations)

    def judge_pairs(self) -> list[RelationVerdict]:
        """Each main task beside each other one."""
        return self._judge(self.pairs)

    def _judge(self, relations: Sequence[TaskRelation]) -> list[RelationVerdict]:
        """The judgements of some relations of a family; the whole family is adjusted together."""
        family = self.pairs if relations and relations[0] in self.pairs else self.relations
        judged = judge_family([self.sample(relation) for relation in family], self.rules) if relations else []
        return [each for each in judged if each.relation in relations]

    def estimate_needed(self, judged: RelationVerdict) -> Needed | None:
        """What an undecided relation needs, by the contrast that is still open."""
        if judged.settled:
            return None
        sample, level = self.sample(judged.relation), self.rules.looks.shares[-1]
        open_one = sample.shuffled if judged.against_alone is not None else sample.alone
        family = self.pairs if judged.relation in self.pairs else self.relations
        return estimate_needed(open_one, len(family), level, self.rules.margin, self.rules.overlap)

    def compare_control(self, method: str) -> dict[str, Interval]:
        """Main task -> change in log error of a control against learning it alone, where it was run."""
        changes: dict[str, Interval] = {}
        for main in self.question.mains:
            values = []
            for seed in range(self.rules.looks.seeds[0]):
                own = self.book.error(self.plan_alone(main, seed, method), main)
                base = self.book.error(self.plan_alone(main, seed), main)
                if own is not None and base is not None:
                    values.append(math.log(base / own))
            if values:
                changes[main] = interval(np.array(values), overlap=self.rules.overlap)
        return changes

    def average_alone(self, main: str) -> Interval:
        """Error of a main task learnt alone: geometric mean over the seeds that were run, with its 95 % interval."""
        errors = [self.book.error(self.plan_alone(main, seed), main) for seed in range(self.rules.looks.seeds[-1])]
        logs = np.array([math.log(error) for error in errors if error is not None])
        return interval(logs, overlap=self.rules.overlap).exponential
