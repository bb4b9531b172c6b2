"""The committed records: where they lie, and those of one suite."""

from pathlib import Path

from bench.records import ResultRecord, slug
from leaderboard.store.store import Store

COMMITTED = Path(__file__).parents[1] / "results"


def committed_of(suite: str) -> list[ResultRecord]:
    """The committed records of a suite, short or canonical, under whatever options."""
    folders = sorted(COMMITTED.glob(f"{slug(suite.partition(':')[0])}*/"))
    return [record for folder in folders for record in Store(folder).read().records]
