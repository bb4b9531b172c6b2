"""What is unsound in one record, read without running anything: all that reading a store does not look at."""

from bench.records import ResultRecord
from leaderboard.intake.names import find_misnamed
from leaderboard.trust.consistency import find_inconsistencies
from leaderboard.trust.ranges import find_out_of_range


def find_further_problems(record: ResultRecord) -> list[str]:
    """What is unsound beyond what reading a store refuses already: ranges, texts, arrays, contradictions."""
    return find_out_of_range(record) + list(find_inconsistencies(record)) + find_misnamed(record)
