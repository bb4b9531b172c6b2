"""What the rule that picks the epoch decides: one contrast under each rule."""

from typing import get_args

from leaderboard.analysis.results import Results, collect_cells
from leaderboard.analysis.standings import DECIDES, REFERENCES
from leaderboard.analysis.statistics import Interval, SelectionRule, change_matrix, interval, replace_reference


def compare_rules(results: Results) -> dict[SelectionRule, Interval]:
    """Mean Δ log of the second of `REFERENCES` against the first, with its 95 % interval, under each selection rule.

    Empty unless both are on the board and every run of theirs has statistics for all rules: a solver's have one. Where
    the rules agree, the epoch that is kept is no reason for the difference.
    """
    first, second = REFERENCES
    rules: tuple[SelectionRule, ...] = get_args(SelectionRule)
    records = {key: record for key, record in results.records.items() if key[0] in REFERENCES}
    if {method for method, _ in records} != {first, second}:
        return {}
    if not all(set(rules) <= set(record.statistics) for record in records.values()):
        return {}
    board = results.board.model_copy(update={"methods": [first, second]})
    estimates: dict[SelectionRule, Interval] = {}
    for rule in rules:
        cells = replace_reference(collect_cells(board, records, rule), first)
        estimates[rule] = interval(change_matrix(cells, DECIDES)[1], overlap=cells.overlap)
    return estimates
