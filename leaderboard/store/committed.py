"""The committed records: where they lie, and those of one suite."""

from pathlib import Path

from bench.errors import DataMissing
from bench.records import ResultRecord
from leaderboard.store.store import Store, StoreContents

COMMITTED = Path(__file__).parents[1] / "results"


def committed_of(suite: str) -> list[ResultRecord]:
    """The committed records of a suite, short or canonical, under whatever options; DataMissing as `read_committed`."""
    return read_committed(suite.partition(":")[0]).records


def read_committed(suite: str | None = None) -> StoreContents:
    """The committed store, or what it holds of one suite. Raises DataMissing where the code came without it."""
    return Store(committed_root()).read(suite)


def committed_root() -> Path:
    """Where the committed store is. Raises DataMissing where the code came without it."""
    if not COMMITTED.is_dir():
        raise DataMissing(
            f"The committed results should lie in `{COMMITTED}`. Found none: they come with a clone of the repository, "
            "not with a package; clone it, run `make install` there, and use that `mtlbench`."
        )
    return COMMITTED
