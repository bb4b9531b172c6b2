"""Changes at equal cost: each method against the run of the reference that took as much.

A board compares methods after equal numbers of updates. A method that takes half the arithmetic of the reference, or
half its parameters, may owe its loss to that. At equal cost, each method stands against the reference under the budget
that is nearest to its own: that of the board, or that of a control which gives the reference another one. At equal
updates, that is the board's own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from leaderboard.analysis.contrasts import Contrast, contrast_pairs
from leaderboard.analysis.costs import Currency, collect_costs, is_alike
from leaderboard.analysis.results import Results
from leaderboard.analysis.statistics import Interval, interval

# The controls that give a method another budget. At equal parameters, updates stay those of the board.
BUDGET_CONTROLS: dict[Currency, list[str]] = {
    "updates": [],
    "flops": ["wide", "narrow", "ensemble", "long", "single_wide", "single_ensemble", "single_long"],
    "parameters": ["wide", "narrow", "ensemble", "single_wide", "single_ensemble"],
}
# A reference -> the names under which it exists at another size.
SIZES = {"single_task": ("single_task_narrow", "single_task_wide")}


@dataclass(frozen=True)
class CostRow:
    """A row of a board at its own cost, beside the run of the reference with the nearest one.

    Args:
        method: of the board, controls included.
        cost: mean over its runs, in updates, FLOPs of training or parameters.
        against: the row of the reference that it is compared with; None for a row of the reference itself.
        ratio: its cost over that of `against`.
        change: mean Δ log against `against`, with its own 95 % interval.
        tasks: task -> the same in each task.
        contrast: the change with its tests; None where costs are not equal, or nobody checked the runs. All of these
            are one family.
    """

    method: str
    cost: float
    against: str | None = None
    ratio: float = 1.0
    change: Interval | None = None
    tasks: Mapping[str, Interval] | None = None
    contrast: Contrast | None = None

    @property
    def equal(self) -> bool:
        """Whether the two costs are within 10 % of each other."""
        return is_alike(self.ratio)


def compare_at_cost(results: Results, currency: Currency) -> list[CostRow]:
    """Every row of a board against the reference's run of the nearest cost, in the order of the board.

    A row is of the reference where its runs are: under the board's budget, or under that of a control. The nearest is
    that of the least |log ratio|, the board's own where two are as near. The board should have BUDGET_CONTROLS for its
    controls and no others, whose settings change more than the budget.
    """
    board, cells = results.board, results.cells
    costs = collect_costs(results.records, currency)
    names = {method: record.method for (method, _), record in results.records.items()}
    same = {board.reference, *SIZES.get(board.reference, ())}
    references = [method for method in board.methods if method in costs and names[method] in same]
    references.sort(key=lambda method: method != board.reference)
    nearest = {
        method: min(references, key=lambda each: abs(math.log(costs[method] / costs[each])))
        for method in board.methods
        if references and method in costs and method not in references
    }
    ratios = {method: costs[method] / costs[against] for method, against in nearest.items()}
    # What is not ranked for want of a check, or by its protocol, gets no verdict by another door.
    judged = results.standings.methods and [m for m in nearest if results.states.get(m) != "reported"]
    pairs = [(method, nearest[method]) for method in judged if is_alike(ratios[method])]
    changes = results.changes["delta_log"]
    contrasts = contrast_pairs(changes, board.methods, pairs, cells.overlap)
    rows = []
    for method in (each for each in board.methods if each in costs):
        if method in references:
            rows.append(CostRow(method, costs[method]))
        elif method in nearest:
            at, other = board.methods.index(method), board.methods.index(nearest[method])
            gains = results.gains[at] - results.gains[other]
            by_task = {
                task: interval(sample, overlap=cells.overlap) for task, sample in zip(cells.tasks, gains.T, strict=True)
            }
            change = interval(changes[at] - changes[other], overlap=cells.overlap)
            answer = contrasts.get(method)
            rows.append(CostRow(method, costs[method], nearest[method], ratios[method], change, by_task, answer))
    return rows
