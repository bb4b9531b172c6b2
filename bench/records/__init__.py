"""What is stored: the specification of a run, its result, and the grammar that names both.

Training writes records, the leaderboard reads them; neither module here trains or ranks anything.
Standard library, numpy and pydantic only, so that the leaderboard and the command line can read
records without loading torch.
"""

from bench.records.canonical import canonical_json, derive_seed, digest, slug
from bench.records.correct_rows import CorrectRows
from bench.records.grammar import (
    METHOD_PARTS,
    UNWEIGHTED,
    Call,
    MethodText,
    complete_method,
    parse_call,
    parse_method,
    parse_seeds,
)
from bench.records.invalid import explain_invalid
from bench.records.packed import Packed
from bench.records.probed import ProbeResults
from bench.records.protocol import Protocol
from bench.records.record import Cost, Curves, Failure, ResultRecord, Solution
from bench.records.spec import RunSpec, Tuning

__all__ = [
    "METHOD_PARTS",
    "UNWEIGHTED",
    "Call",
    "CorrectRows",
    "Cost",
    "Curves",
    "Failure",
    "MethodText",
    "Packed",
    "ProbeResults",
    "Protocol",
    "ResultRecord",
    "RunSpec",
    "Solution",
    "Tuning",
    "canonical_json",
    "complete_method",
    "derive_seed",
    "digest",
    "explain_invalid",
    "parse_call",
    "parse_method",
    "parse_seeds",
    "slug",
]
