"""`mtlbench ask`: rounds of runs under one budget, until an answer is there or the budget is spent.

What is run is a `bench.planning.question.Question`; what it means is told by `leaderboard.ask`.
"""
