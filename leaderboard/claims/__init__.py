"""Claims: sentences about methods and data that were written down before their runs, and what the records say of them.

A file `NAME.toml` beside this module lists claims with the runs that decide them (`claim`); `judge` reads those runs
from a store and gives each claim a verdict.
"""

from leaderboard.claims.claim import Claim, ClaimList, Gain, list_claim_files, load_claims
from leaderboard.claims.judge import ClaimVerdict, JudgedClaim, judge_claims

__all__ = [
    "Claim",
    "ClaimList",
    "ClaimVerdict",
    "Gain",
    "JudgedClaim",
    "judge_claims",
    "list_claim_files",
    "load_claims",
]
