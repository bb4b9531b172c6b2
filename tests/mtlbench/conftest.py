"""The records of the leaderboard's tests, for the library's."""

from tests.leaderboard.conftest import make_record, three_methods

__all__ = ["make_record", "three_methods"]
