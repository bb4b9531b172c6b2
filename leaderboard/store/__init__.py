"""The store: records in files, what else lies beside them, and how they are read and written."""

from leaderboard.store.problem import Problem
from leaderboard.store.store import Store, StoreContents

__all__ = ["Problem", "Store", "StoreContents"]
