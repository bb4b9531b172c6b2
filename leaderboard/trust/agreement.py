"""Which runs should have equal digits, and the error level at which others are compared.

Shared by `reruns`, which judges single cells, and `reproduction`, which judges tables.
"""

from bench.records import ResultRecord

ERROR_LEVEL = 0.05  # of family-wise error


def is_same_kind(stored: ResultRecord, fresh: ResultRecord) -> bool:
    """Whether two runs come from one kind of processor and one set of versions, so that their digits should be equal.

    A record without a cost names no processor; two such records count as made on the same one.
    """
    hardware = [record.cost.hardware if record.cost else "" for record in (stored, fresh)]
    return hardware[0] == hardware[1] and stored.environment == fresh.environment
