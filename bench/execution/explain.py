"""`mtlbench explain`: the runs of an explanation, each condition at its own best learning rate, and what they say."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bench.catalogue.method import Method
from bench.execution.ask.book import RunBook
from bench.execution.controls import list_twins
from bench.planning.explanation import EXPLANATIONS, Condition, Explanation
from bench.records import RunSpec
from bench.records.values import SettingGrid
from leaderboard.analysis.statistics import interval
from leaderboard.analysis.waterfall import INFORMATION, SHUFFLED, Waterfall, build_waterfall, climb
from leaderboard.boards.twins import write_twin
from leaderboard.report.explained import GainAccount

FURTHER_STEPS = 2  # at most, of learning rates beyond the last one that did best


def find_twin(method: str) -> str:
    """The twin of a method, in short form; empty where it has none."""
    twin = write_twin(Method.parse(method).short, list_twins())
    return Method.parse(twin).short if twin else ""


@dataclass
class Explaining:
    """An explanation on its way.

    Args:
        explanation: what is run.
        book: runs cells, and knows what became of them.
        seeds: that judge.
        tell: called with a sentence when a round begins.

    Attributes:
        grids: condition -> the learning rates that it was tried at.
    """

    explanation: Explanation
    book: RunBook
    seeds: Sequence[int]
    tell: Callable[[str], None] = lambda sentence: None
    grids: dict[str, SettingGrid] = field(default_factory=dict)

    def run(self) -> None:
        """Run round after round. An interrupt is passed on; what ended before it is stored."""
        for name, specs in self.list_rounds():
            if missing := self.book.list_missing(specs):
                self.tell(f"{name}: {len(missing)} runs")
                self.book.run(missing)

    def list_rounds(self) -> Iterator[tuple[str, list[RunSpec]]]:
        """(name, runs): learning rates first; then the ends and shuffled labels; then everything between."""
        conditions = list(self.explanation.conditions.values())
        if self.explanation.question.tuned:
            yield "learning rates", self.plan_rates(conditions)
            for _ in range(FURTHER_STEPS):
                if not self._extend_grids(conditions):
                    break
                yield "further learning rates", self.plan_rates(conditions)
        ends = [each for each in conditions if not each.explanation]
        yield "alone, together, and beside shuffled labels", self.plan_seeds(ends)
        yield "what else could explain it", self.plan_seeds(conditions)

    def plan_rates(self, conditions: Sequence[Condition]) -> list[RunSpec]:
        """The runs by which validation chooses the learning rate of each condition."""
        return [spec for each in conditions for spec in self.explanation.plan_tuning(each, self.read_grid(each))]

    def plan_seeds(self, conditions: Sequence[Condition]) -> list[RunSpec]:
        """The runs of conditions on the seeds that judge, seed by seed."""
        return [spec for seed in self.seeds for each in conditions for spec in self._plan(each, seed)]

    def read_grid(self, condition: Condition) -> SettingGrid:
        """The learning rates of a condition: those of all, or further ones where the best was the last."""
        return self.grids.get(condition.name, self.explanation.question.grid)

    def choose_rate(self, condition: Condition) -> float | None:
        """The learning rate at which validation was best; None where it is not chosen, or every rate has failed."""
        specs = self.explanation.plan_tuning(condition, self.read_grid(condition))
        return self.book.choose_rate(specs, self.explanation.main)

    def _extend_grids(self, conditions: Sequence[Condition]) -> bool:
        """Give further learning rates to conditions that do best at an end of theirs; whether there were any."""
        before = dict(self.grids)
        for each in conditions:
            grid = self.read_grid(each)
            for end in grid.find_ends(self.choose_rate(each)):
                if (value := grid.next_value(end)) is not None:
                    self.grids[each.name] = grid = grid.extend(value)
        return self.grids != before

    def _plan(self, condition: Condition, seed: int) -> list[RunSpec]:
        """The runs of a condition on a seed: one, or one for each draw."""
        rate = self.choose_rate(condition)
        return [self.explanation.plan(condition, seed, rate, draw) for draw in range(condition.restarts)]

    # --- what they say ---------------------------------------------------------------------------

    def read(self) -> GainAccount:
        """What was found, as far as the runs go."""
        explanation = self.explanation
        errors = {name: self._read_errors(each)[0] for name, each in explanation.conditions.items()}
        errors = {name: each for name, each in errors.items() if np.isfinite(each).any()}
        overlap = explanation.question.overlap
        alone, _, _ = self.explanation.ends
        return GainAccount(
            suite=explanation.question.suite_text,
            method=explanation.method,
            main=explanation.main,
            seeds=len(self.seeds),
            waterfall=self._build(errors, EXPLANATIONS, overlap),
            reverse=self._build(errors, EXPLANATIONS[::-1], overlap),
            single={
                name: interval(np.log(errors[alone] / each), overlap=overlap)
                for name, each in errors.items()
                if name != alone and alone in errors
            },
            explanation_of={name: each.explanation for name, each in explanation.conditions.items()},
            rates={name: self.choose_rate(each) for name, each in explanation.conditions.items()},
            left_out=explanation.left_out,
            errors=tuple(dict.fromkeys(self.book.errors.values())),
        )

    def _build(self, errors: dict[str, np.ndarray], order: Sequence[str], overlap: float) -> Waterfall | None:
        """The waterfall with the explanations in an order; None where no seed has alone, method and shuffled."""
        conditions = self.explanation.conditions.values()
        alone, method, shuffled = self.explanation.ends
        ends = [errors.get(name, np.full(len(self.seeds), np.nan)) for name in (alone, method, shuffled)]
        if not np.isfinite(ends).all(axis=0).any():
            return None
        of = {name: [c.name for c in conditions if c.explanation == name and c.name in errors] for name in order}
        ladder = climb({name: each for name, each in of.items() if each}, self._validation, alone)
        return build_waterfall(errors, [*ladder, (SHUFFLED, shuffled), (INFORMATION, method)], alone, overlap)

    @cached_property
    def _validation(self) -> dict[str, float]:
        """Condition -> mean log error of the main task on validation over the seeds that judge."""
        found = {name: self._read_errors(each)[1] for name, each in self.explanation.conditions.items()}
        return {name: float(np.mean(np.log(each))) for name, each in found.items() if np.isfinite(each).all()}

    def _read_errors(self, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
        """Errors (seeds,) of the main task on test and on validation; NaN and infinity where a run is missing.

        Of several draws those of the one that was best on validation.
        """
        test, validation = [], []
        for seed in self.seeds:
            draws = self._plan(condition, seed)
            on_validation = [self.book.validation(spec, self.explanation.main) for spec in draws]
            best = int(np.argmin(on_validation))
            error = self.book.error(draws[best], self.explanation.main)
            whole = all(spec.run_id in self.book.records for spec in draws)
            test.append(error if error is not None and whole else math.nan)
            validation.append(on_validation[best])
        return np.array(test), np.array(validation)
