"""Which runs should agree digit for digit, and at which level those that need not are held against each other."""

from bench.records import ResultRecord

ERROR_LEVEL = 0.05  # of family-wise error


def is_same_kind(stored: ResultRecord, fresh: ResultRecord) -> bool:
    """Whether two runs were made on one kind of processor with one set of versions, so that digits should agree."""
    hardware = [record.cost.hardware if record.cost else "" for record in (stored, fresh)]
    return hardware[0] == hardware[1] and stored.environment == fresh.environment
