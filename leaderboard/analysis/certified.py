"""Which rows rest on a solver whose certificate was not good enough when it ended."""

from collections.abc import Mapping

from bench.records import ResultRecord
from leaderboard.boards.board import Board


def uncertified(board: Board, records: Mapping[tuple[str, int], ResultRecord]) -> list[str]:
    """A sentence that names the methods with such runs, and how many of theirs are; nothing where there are none."""
    found = []
    for method in board.methods:
        solutions = [run.solution for (name, _), run in records.items() if name == method and run.solution]
        short = sum(not solution.met for solution in solutions)
        if short:
            found.append(f"`{board.label(method)}` {short} of {len(solutions)}")
    if not found:
        return []
    return [f"Not certified, for the solver ended above its tolerance: {', '.join(found)} runs."]
