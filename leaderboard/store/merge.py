"""Merges records of several stores into one, packed: once, twice or after an interruption with the same result.

`mtlbench merge` calls it, to bring home what several machines ran, and to pack the committed store.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.records import ResultRecord
from bench.system.files import folder_lock, make_folder, write_whole
from bench.system.regular import read_regular
from leaderboard.store.load import load_record
from leaderboard.store.packed import (
    PANELS,
    PROTOCOLS,
    digest_protocol,
    find_packed_path,
    format_protocol,
    make_line_key,
    pack_line,
)
from leaderboard.store.problem import Problem
from leaderboard.store.store import Store, StoreContents
from leaderboard.store.walk import list_record_files

MAX_PANEL = 32 << 20  # bytes


@dataclass(frozen=True)
class MergeResult:
    """What a merge did, or why it did nothing.

    `added` are the records that are new, `packed` the number of open records of the target that are lines now,
    `records` how many it holds. `problems` are (root of the store, problem of a file) and `contradictions` sentences
    about two results of one run; with either, nothing was written.
    """

    added: list[ResultRecord] = field(default_factory=list)
    packed: int = 0  # open records of the store itself that are lines now
    records: int = 0  # that the store holds now
    problems: list[tuple[Path, Problem]] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)


def merge_stores(sources: Iterable[Path], target: Path) -> MergeResult:
    """Put the records and panels of other stores into a store as lines, and pack what lies open in it.

    Each file is replaced in one step, protocols before the lines that name them, and open records are removed after
    their lines are on disk. So an interrupted merge loses nothing, and the same call finishes it. A finished record
    replaces a failed one of the same run.

    Args:
        sources: roots of the other stores, which stay as they are.
        target: root of the store that takes all; it is made where there is none.

    Returns:
        What was done. Nothing is written where a file of any store is unsound, or where two finished records of one run
        differ.

    Raises:
        OSError: `target` cannot be written.
    """
    store = Store(target)
    store.check_writable()
    make_folder(target)
    with folder_lock(target):  # two merges at a time would each write files without the other's lines
        mine = store.read()
        others = [Store(source).read() for source in sources if source.resolve() != target.resolve()]
        problems = [(contents.root or target, problem) for contents in (mine, *others) for problem in contents.problems]
        if problems:
            return MergeResult(problems=problems)
        merged = {record.run_id: record for record in mine.records}
        contradictions, added = _add(merged, others)
        if contradictions:
            return MergeResult(contradictions=contradictions)
        for contents in (*others, mine):
            _copy_panels(contents, target)
        write_lines(merged.values(), target)
        packed = _remove_open(merged, store)
        return MergeResult(added, packed, len(merged))


def _add(merged: dict[str, ResultRecord], others: Iterable[StoreContents]) -> tuple[list[str], list[ResultRecord]]:
    """Add the records of `others` to `merged`, run id -> record, in place.

    Returns:
        Sentences about contradictions, and the records that are new or replace a failure.
    """
    contradictions: list[str] = []
    new: dict[str, ResultRecord] = {}
    for contents in others:
        for record in contents.records:
            before = merged.get(record.run_id)
            if before is None or (before.status == "failed" and record.status == "done"):
                merged[record.run_id] = new[record.run_id] = record
            elif before.digest != record.digest and record.status == "done":
                contradictions.append(
                    f"Run {record.run_id} ({record.suite} {record.method} seed {record.spec.seed}) should be the same "
                    f"in every store. Found one made {before.created or 'some time'} with the digest "
                    f"{before.digest[:8]}, and in `{contents.root}` one made {record.created or 'some time'} with "
                    f"{record.digest[:8]}; remove the one that should not count."
                )
    return contradictions, list(new.values())


def write_lines(records: Iterable[ResultRecord], target: Path) -> None:
    """Write every packed file that is not yet as it should be, after the protocols that it names."""
    files: dict[str, list[ResultRecord]] = defaultdict(list)
    protocols = {}
    for record in records:
        files[find_packed_path(record)].append(record)
        protocols[digest_protocol(record.spec.protocol)] = record.spec.protocol
    for name, protocol in sorted(protocols.items()):
        _replace(target / PROTOCOLS / f"{name}.json", format_protocol(protocol).encode())
    for where, lines in sorted(files.items()):
        _replace(target / where, "".join(map(pack_line, sorted(lines, key=make_line_key))).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step, unless it has that content already: git and mirrors then see no change."""
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    make_folder(path.parent)
    write_whole(path, content)


def _copy_panels(contents: StoreContents, target: Path) -> None:
    """Copy the pictures of records to where those of packed records lie; one that is there already stays."""
    store = Store(contents.root or target)
    for record in contents.records:
        for panel in store.panels(record.spec):
            path = target / PANELS / panel.name
            if not path.exists():
                _replace(path, read_regular(panel, MAX_PANEL, links=False))


def _remove_open(merged: dict[str, ResultRecord], store: Store) -> int:
    """Remove the open records that are lines now, their pictures, and the folders that are empty then.

    Returns:
        How many records were removed. One that is finished and differs from its line stays.
    """
    count = 0
    for path in list(list_record_files(store.root, [])):
        if path.suffix != ".json":
            continue
        with folder_lock(path.parent):  # a run may have written another record here since the store was read
            loaded = load_record(path)
            line = merged.get(path.stem)
            if line is None or not isinstance(loaded, ResultRecord):
                continue
            if loaded.digest != line.digest and loaded.status == "done":
                continue
            for panel in path.parent.glob(f"{path.stem}.*.png"):
                panel.unlink()
            path.unlink()  # last: by it the next merge sees what is left to remove
            count += 1
        with contextlib.suppress(OSError):  # they hold something else
            path.parent.rmdir()
            path.parent.parent.rmdir()
    return count
