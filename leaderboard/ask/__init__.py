"""The answer to one question: does learning tasks together help, which of them, and with which sharing?

Verdicts and what is said about them, as functions of paired log errors. `bench.execution.ask` makes the runs behind
them, round by round.
"""
