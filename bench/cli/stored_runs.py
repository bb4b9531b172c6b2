"""The runs that a command shows: those of a store, or the committed ones where nothing was run yet."""

import os
import sys

from bench.cli import options
from leaderboard.store import Store, StoreContents
from leaderboard.store.committed import name_source, read_results


def read_stored_runs(store: str | None, suite: str | None = None, *, silent: bool = False) -> StoreContents:
    """The runs of the store that --store names; without it, and where there is no folder `runs`, the committed ones.

    Args:
        store: What --store was given.
        suite: Only the runs of this suite, a name without options.
        silent: Not to say, on standard error, that these are the committed ones.

    Raises:
        UsageError: A store was named that is no folder.
        DataMissing: The code came without committed results.
    """
    root = options.resolve_store_dir(store)
    if store or os.environ.get("MTLBENCH_STORE") or root.exists():
        return Store(options.require_store(root)).read(suite)
    contents = read_results(suite=suite)
    if not silent:
        print(f"mtlbench: there is no `{root}` here; these are {name_source(contents)}.", file=sys.stderr)
    return contents
