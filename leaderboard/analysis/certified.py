"""Which rows rest on a solver whose certificate was not good enough when it ended.

Linear methods are solved to a tolerance instead of trained for some epochs; their records keep what was reached.
"""

from collections.abc import Mapping

from bench.records import ResultRecord
from leaderboard.boards.board import Board


def count_uncertified(board: Board, records: Mapping[tuple[str, int], ResultRecord]) -> dict[str, tuple[int, int]]:
    """Count the runs of each method whose solver ended above its tolerance.

    Args:
        board: whose methods are counted, in its order.
        records: (method, seed) -> run; runs without a solver are skipped.

    Returns:
        method -> (runs above their tolerance, all runs by a solver), for methods with at least one such run.
    """
    counts = {}
    for method in board.methods:
        # Only solvers leave a solution: methods that are trained have no certificate to miss.
        solutions = [run.solution for (name, _), run in records.items() if name == method and run.solution]
        short = sum(not solution.met for solution in solutions)
        if short:
            counts[method] = short, len(solutions)
    return counts
