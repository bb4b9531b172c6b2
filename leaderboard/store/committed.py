"""The committed records, which come with a clone of the repository; a package has a compact copy of them."""

from pathlib import Path

from bench.errors import DataMissing, UsageError
from bench.records import Protocol, ResultRecord
from leaderboard.store.compact import read_compact_file
from leaderboard.store.packed import ProtocolShelf, unpack_line
from leaderboard.store.store import Store, StoreContents, make_place, pause_collector

# Beside the package's code: installed packages leave `results` out, so this may not exist.
COMMITTED = Path(__file__).parents[1] / "results"
COMPACT = Path(__file__).parents[1] / "results.jsonl.xz"  # made when a package is built; a clone has none


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


def read_results(store: str | Path | None = None, suite: str | None = None) -> StoreContents:
    """Read the records that are asked for from Python.

    Args:
        store: a folder of records. None stands for the committed results: those of the clone that this code lies in,
            or in a package the copy that came with it (`read_compact`); a folder `runs` is never guessed.
        suite: only the records of this suite, a name without options, under whatever options.

    Raises:
        UsageError: `store` is no folder.
        DataMissing: None was given, and the code came without any results.
    """
    if store is not None:
        root = Path(store).expanduser()
        if not root.is_dir():
            raise UsageError(
                f"`store` should be a folder of records. Found {'a file' if root.exists() else 'nothing'} at `{root}`."
            )
        return Store(root).read(suite)
    if not COMPACT.is_file() or any(COMMITTED.glob("*/*.jsonl")):
        return Store(find_committed_root()).read(suite, check=False)  # they were verified before they were committed
    return read_compact(COMPACT, suite)


def read_compact(path: Path, suite: str | None = None) -> StoreContents:
    """The records of a compact copy, in the order of the store that it was made of, with their ledger.

    They lie in no store, and have no curves, matrices and rows (`leaderboard.store.compact.DROPPED`).

    Args:
        path: the file.
        suite: only the records of this suite, a name without options.
    """
    copy = read_compact_file(path)
    shelf = ProtocolShelf(path, {name: Protocol.model_validate(each) for name, each in copy.protocols.items()})
    lines = [line for line in copy.lines if f'"suite":"{suite}'.encode() in line] if suite else copy.lines
    with pause_collector():
        records = [unpack_line(line, shelf) for line in lines]
    if suite:  # another one's name may begin alike
        records = [record for record in records if record.spec.suite.partition(":")[0] == suite]
    return StoreContents(sorted(records, key=lambda record: make_place(record.spec)), ledger=copy.ledger)


def name_source(contents: StoreContents) -> str:
    """Where records come from, as a sentence says it."""
    if contents.root is None:
        return f"the committed results, as the package has them (`{COMPACT}`)"
    return f"`{contents.root}`"
