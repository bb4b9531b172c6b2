"""All checks of a single record beyond those that every reader of a store makes, without running anything.

Used by `mtlbench verify` for the records of a store; those of a submission are checked with the cards of its own parts.
Checks across records are in `trust/copies` and `trust/gaps`.
"""

from bench.records import ResultRecord
from leaderboard.intake.names import find_misnamed
from leaderboard.trust.consistency import find_inconsistencies
from leaderboard.trust.ranges import find_out_of_range


def find_further_problems(record: ResultRecord) -> list[str]:
    """Reasons why one record is unsound: ranges and texts, contradictions between its fields, a misleading method name.

    Expects a record for which `find_problems()` is empty, as every record of a `StoreContents` is.
    """
    return find_out_of_range(record) + list(find_inconsistencies(record)) + find_misnamed(record)
