"""The leaderboard: a store of records, statistics over paired seeds, tables and a static site.

Pure functions of the store; no torch is ever loaded here. From the ground to the roof, each a package that imports
those below it only:

    boards    which methods and seeds a table shows     store    records in files
    analysis  what the records of a board say
    trust     how far they can be believed
    intake    what comes from others
    report    tables, in every format
    site      pages
"""

from leaderboard.boards.board import Board, board_of_suite, load_board
from leaderboard.store import Problem, Store, StoreContents

__all__ = ["Board", "Problem", "Store", "StoreContents", "board_of_suite", "load_board"]
