"""The contract of plug-ins as rules that run on someone else's class.

    for outcome in check("sharing", "cross_stitch"): ...

One module per kind; a rule is a function that raises `Broken` with the advice, and its name with
blanks for underscores is the rule's name in reports. `find_subjects` resolves a name or a file.
`mtlbench check` prints the outcomes; `submit` and `verify` ask for them in a confined process.
"""

from bench.check.check import check, check_entry
from bench.check.outcome import RuleOutcome
from bench.check.subjects import find_subjects

__all__ = ["RuleOutcome", "check", "check_entry", "find_subjects"]
