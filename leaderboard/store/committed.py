"""The committed records, which come with a clone of the repository and not with a package."""

from pathlib import Path

from bench.errors import DataMissing
from bench.records import ResultRecord
from leaderboard.store.store import Store, StoreContents

# Beside the package's code: installed packages leave `results` out, so this may not exist.
COMMITTED = Path(__file__).parents[1] / "results"


def read_committed_suite(suite: str) -> list[ResultRecord]:
    """The committed records of a suite, under whatever options of it.

    Args:
        suite: short or canonical name; what follows its first colon is ignored.

    Raises:
        DataMissing: the code came without the committed store.
    """
    return read_committed(suite.partition(":")[0]).records


def read_committed(suite: str | None = None) -> StoreContents:
    """Read the committed store, or what it holds of one suite.

    Raises:
        DataMissing: the code came without it; the sentence says how to get it.
    """
    return Store(find_committed_root()).read(suite)


def find_committed_root() -> Path:
    """The folder of the committed store.

    Raises:
        DataMissing: the code came without it; the sentence says how to get it.
    """
    if not COMMITTED.is_dir():
        raise DataMissing(
            f"The committed results should lie in `{COMMITTED}`. Found none: they come with a clone of the repository, "
            "not with a package; clone it, run `make install` there, and use that `mtlbench`."
        )
    return COMMITTED
