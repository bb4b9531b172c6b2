"""Which rows rest on a solver whose certificate was not good enough when it ended."""

from collections.abc import Mapping

from bench.records import ResultRecord
from leaderboard.boards.board import Board


def count_uncertified(board: Board, records: Mapping[tuple[str, int], ResultRecord]) -> dict[str, tuple[int, int]]:
    """method -> (its runs whose solver ended above its tolerance, all of its runs by a solver); those with any only."""
    counts = {}
    for method in board.methods:
        solutions = [run.solution for (name, _), run in records.items() if name == method and run.solution]
        short = sum(not solution.met for solution in solutions)
        if short:
            counts[method] = short, len(solutions)
    return counts
