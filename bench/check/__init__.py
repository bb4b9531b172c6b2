"""The contract of plug-ins as rules that run on someone else's class.

    for outcome in check("sharing", "cross_stitch"): ...

One module per kind; a rule is a function that raises `Broken` with the advice. `subjects` finds what a
name or a file stands for.
"""

from bench.check.check import check, check_entry
from bench.check.outcome import RuleOutcome
from bench.check.subjects import subjects

__all__ = ["RuleOutcome", "check", "check_entry", "subjects"]
