"""Rows at their own best: the runs of each method at the value of a setting that its curve chose on validation."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.errors import make_printable
from bench.records import ResultRecord, Tuning
from bench.records.values import write_setting
from leaderboard.boards.board import Board
from leaderboard.boards.curves import SettingCurve, curves_on_grid, explain_edges

MAX_REASON = 500  # characters of why a run failed


def read_whole_curves(board: Board, records: Sequence[ResultRecord]) -> tuple[dict[str, SettingCurve], list[str]]:
    """method -> its curve, of those that have every run of the board's budget, and sentences about the others.

    Where the budget has the best values run again, a curve has those runs too.

    Args:
        board: with a curve.
        records: of the store, in any order.
    """
    whole, notes = read_first_curves(board, records)
    assert board.curve is not None
    budget = board.curve
    if not budget.finalists:
        return whole, notes
    own = board.keep_covered(records)
    again = curves_on_grid(own, budget.grid, budget.finalist_seed_list)
    finished = dict[str, SettingCurve]()
    for method, curve in whole.items():
        values = curve.pick_finalists(budget.finalists)
        runs = again[method].points if method in again else {}
        finals = {value: runs[value] for value in values if len(runs.get(value, ())) == len(budget.finalist_seed_list)}
        if len(finals) == len(values):
            finished[method] = replace(curve, finals=finals)
        else:
            why = f"lacks runs of its best values on seeds {budget.finalist_seeds}: not counted."
            notes.append(f"`{board.label(method)}` {why}")
    return finished, notes


def read_first_curves(board: Board, records: Iterable[ResultRecord]) -> tuple[dict[str, SettingCurve], list[str]]:
    """method -> its curve, of those that were run at every value and seed of the board's budget, and sentences.

    All methods have one budget, so that a method with fewer runs has no best value; it is named with how many it has.

    Args:
        board: with a curve.
        records: of the store, in any order.
    """
    assert board.curve is not None
    grid, seeds = board.curve.grid, board.curve.seed_list
    own = board.keep_covered(records)
    curves = curves_on_grid(own, grid, seeds)
    whole, notes, wanted = dict[str, SettingCurve](), list[str](), len(grid.values) * len(seeds)
    for method in board.methods:
        curve = curves.get(method)
        count = sum(len(runs) for runs in curve.points.values()) if curve else 0
        if curve and count == wanted:
            whole[method] = curve
        elif curve:
            notes.append(f"`{board.label(method)}` has {count} of {wanted} runs of its curve: not counted.")
    return whole, notes


def choose_best_runs(
    board: Board, records: Sequence[ResultRecord]
) -> tuple[dict[tuple[str, int], ResultRecord], list[str]]:
    """(method, seed) -> the run of a method at its own best value, and sentences about how it was chosen.

    Only runs that were made for that count (`Tuning.stage` is `best`): what somebody ran at the same value by hand may
    have been chosen by another look. Everything but the seed is as in the curve: versions, code, data, protocol.

    Args:
        board: with a curve; its seeds are none of the curve's.
        records: of the store, in any order.
    """
    assert board.curve is not None
    curves, notes = read_whole_curves(board, records)
    grid, stored = board.curve.grid, {record.run_id: record for record in records}
    low, high = (write_setting(grid.setting, value) for value in (grid.values[0], grid.values[-1]))
    seeds = f"seeds {board.curve.seeds}"
    if board.curve.finalists:
        seeds += f", the best {board.curve.finalists} again on seeds {board.curve.finalist_seeds}"
    head = (
        f"Each method at its own best {grid.setting} of {len(grid.values)} values from {low} to {high}, chosen on "
        f"validation over {seeds}, as many runs for every method"
    )
    best, chosen, failed = list[str](), dict[tuple[str, int], ResultRecord](), list[str]()
    for method, curve in curves.items():
        if curve.chosen is None:
            notes.append(f"Nothing is chosen for `{board.label(method)}`: every value has a failed run.")
            continue
        best.append(f"`{board.label(method)}` {write_setting(grid.setting, curve.chosen)}")
        point = next(iter(curve.points[curve.chosen].values()))
        tuning = Tuning(of=method, trial=0, stage="best")
        for seed in board.seed_list:
            run = stored.get(point.spec.vary(seed=seed, tuning=tuning).run_id)
            if run and run.error:
                why = make_printable(f"{run.error.type}: {run.error.message}", MAX_REASON)
                failed.append(f"Failed run, not counted: `{board.label(method)}`, seed {seed}: {why}.")
            elif run:
                chosen[method, seed] = run
    notes += explain_edges(curves.values(), board.labels)
    return chosen, [f"{head}: {', '.join(best)}." if best else f"{head}.", *notes, *failed]
