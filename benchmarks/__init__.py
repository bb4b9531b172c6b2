"""Experiments about the benchmark itself, each a command that prints its table.

`python -m benchmarks.NAME --help` says what each needs. Nothing in `bench`, `suites` or `leaderboard` imports them.
"""
