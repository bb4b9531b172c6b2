"""Claims: sentences about methods and data that were written down before their runs, and what the records say of them.

A file `NAME.toml` beside this module lists claims with the runs that decide them (`claim`); `judge` reads those runs
from a store and gives each claim a verdict. `findings` are what the front page says, each with the claims and the
verdicts of boards that it rests on; `choices` say which methods to try first, with theirs.
"""

from leaderboard.claims.choices import CheckedSituation, Situation, UnsupportedChoice, check_choices, load_choices
from leaderboard.claims.claim import Claim, ClaimList, Gain, list_claim_files, load_claims
from leaderboard.claims.findings import (
    CheckedFinding,
    Finding,
    NeededVerdict,
    Support,
    UnsupportedFinding,
    check_findings,
    load_findings,
)
from leaderboard.claims.judge import ClaimVerdict, JudgedClaim, judge_claims

__all__ = [
    "CheckedFinding",
    "CheckedSituation",
    "Claim",
    "ClaimList",
    "ClaimVerdict",
    "Finding",
    "Gain",
    "JudgedClaim",
    "NeededVerdict",
    "Situation",
    "Support",
    "UnsupportedChoice",
    "UnsupportedFinding",
    "check_choices",
    "check_findings",
    "judge_claims",
    "list_claim_files",
    "load_choices",
    "load_claims",
    "load_findings",
]
