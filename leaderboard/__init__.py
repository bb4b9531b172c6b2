"""The leaderboard: a store of records, statistics over paired seeds, tables and a static site.

Pure functions of the store; no torch is ever loaded here.
"""

from leaderboard.board import Board, board_of_suite, boards, load_board
from leaderboard.problem import Problem
from leaderboard.store import Store, StoreContents

__all__ = ["Board", "Problem", "Store", "StoreContents", "board_of_suite", "boards", "load_board"]
