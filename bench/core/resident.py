"""Shared data: the runner reads a suite once, and all workers map the same memory.

Without it every worker process would read, and hold, the data set of its own.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from bench.core.data import Dataset
from bench.core.suite import Split, Suite, derive_suite

SHARED_MEMORY = Path("/dev/shm")  # where torch puts tensors that are handed to another process


@dataclass(frozen=True)
class ResidentRows:
    """The splits of a suite and their checksums.

    Handed to worker processes at their start, the tensors move to shared memory: all processes hold one copy, which
    goes when the last of them does.
    """

    splits: dict[str, Dataset]
    checksums: dict[str, str]

    @classmethod
    def read(cls, suite: Suite) -> "ResidentRows | None":
        """All rows of `suite`; None where they differ by seed, are mapped from files, or do not fit.

        They fit if they take at most half of the free shared memory.
        """
        if not suite.resident:
            return None
        splits = {split: suite.dataset(split, 0) for split in get_args(Split) if split in suite.protocol.splits}
        # By identity: tasks that share an input hold one tensor, which is moved once.
        tensors = {id(t): t for rows in splits.values() for t in (*rows.inputs.values(), *rows.targets.values())}
        needed = sum(tensor.nbytes for tensor in tensors.values())
        if not SHARED_MEMORY.is_dir() or needed > shutil.disk_usage(SHARED_MEMORY).free // 2:
            return None
        return cls(splits, suite.checksums())

    def serve(self, suite: Suite) -> Suite:
        """`suite` as it is when it has read these rows: every seed is given them."""
        rows = self

        class Served(Suite):
            def dataset(self, split: Split, seed: int) -> Dataset:
                return rows.splits[split]

            def checksums(self) -> dict[str, str]:
                return dict(rows.checksums)

        return derive_suite(suite, Served)
