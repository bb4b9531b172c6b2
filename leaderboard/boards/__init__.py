"""Boards: which methods and seeds a table shows, and which records of a store may be compared on it.

Choosing only: estimates and tests are `leaderboard.analysis`.
"""
