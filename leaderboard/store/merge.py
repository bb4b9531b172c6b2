"""Records of stores into one, packed: the same whether it is done once, twice, or was interrupted in between."""

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
    line_order,
    pack_line,
    packed_path,
    protocol_digest,
    protocol_file_text,
)
from leaderboard.store.problem import Problem
from leaderboard.store.store import Store, StoreContents
from leaderboard.store.walk import list_record_files

MAX_PANEL = 32 << 20  # bytes


@dataclass(frozen=True)
class MergeResult:
    """What a merge did, or why it did nothing: problems of files (root, problem), and contradictions, as sentences."""

    added: list[ResultRecord] = field(default_factory=list)
    packed: int = 0  # open records of the store itself that are lines now
    records: int = 0  # that the store holds now
    problems: list[tuple[Path, Problem]] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)


def merge_stores(sources: Iterable[Path], target: Path) -> MergeResult:
    """Put the records and panels of `sources` into the store at `target` as lines, and pack what lies open in it.

    Nothing is written where a file of any store is unsound, or a finished record of a run contradicts another one: they
    have the same run id and other content. A failed record gives way to a finished one. Each file is replaced in one
    step, protocols before the lines that name them, and open records are removed after their lines are on disk, so that
    an interrupted merge loses nothing and the same call goes on. `sources` stay as they are. Raises OSError where
    `target` cannot be written.
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
    """Add the records of `others` to `merged`; the contradictions, and what is new."""
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
        files[packed_path(record)].append(record)
        protocols[protocol_digest(record.spec.protocol)] = record.spec.protocol
    for name, protocol in sorted(protocols.items()):
        _replace(target / PROTOCOLS / f"{name}.json", protocol_file_text(protocol).encode())
    for where, lines in sorted(files.items()):
        _replace(target / where, "".join(map(pack_line, sorted(lines, key=line_order))).encode())


def _replace(path: Path, content: bytes) -> None:
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    make_folder(path.parent)
    write_whole(path, content)


def _copy_panels(contents: StoreContents, target: Path) -> None:
    """Copy the pictures of records, where there are none yet, to where those of packed records lie."""
    store = Store(contents.root or target)
    for record in contents.records:
        for panel in store.panels(record.spec):
            path = target / PANELS / panel.name
            if not path.exists():
                _replace(path, read_regular(panel, MAX_PANEL, links=False))


def _remove_open(merged: dict[str, ResultRecord], store: Store) -> int:
    """Remove the open records that are lines now, their pictures, and the folders that are empty then."""
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
