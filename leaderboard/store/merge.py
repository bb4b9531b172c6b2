"""Merges records of several stores into one, packed: once, twice or after an interruption with the same result.

`mtlbench merge` calls it, to bring home what several machines ran, and to pack the committed store.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.errors import UsageError
from bench.records import ResultRecord
from bench.system.files import folder_lock, make_folder, write_whole
from bench.system.regular import open_regular, read_regular
from leaderboard.store.ledger_files import read_ledger_copies
from leaderboard.store.load import load_record
from leaderboard.store.models import find_models
from leaderboard.store.packed import (
    PANELS,
    PROTOCOLS,
    digest_protocol,
    find_packed_path,
    format_protocol,
    make_line_key,
    pack_line,
)
from leaderboard.store.place import check_file_place
from leaderboard.store.problem import Problem
from leaderboard.store.store import Store, StoreContents
from leaderboard.store.walk import list_record_files

MAX_PANEL = 32 << 20  # bytes


@dataclass(frozen=True)
class MergeResult:
    """What a merge did, or why it did nothing.

    `added` are the records that are new, `packed` the number of open records of the target that are lines now,
    `records` how many it holds, `models` how many trained models stay in the sources. `problems` are (root of the
    store, problem of a file) and `contradictions` sentences about two results of one run; with either, nothing was
    written.
    """

    added: list[ResultRecord] = field(default_factory=list)
    packed: int = 0  # open records of the store itself that are lines now
    records: int = 0  # that the store holds now
    models: int = 0  # trained models that stay in the sources
    problems: list[tuple[Path, Problem]] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether nothing was written, for a reason that is named."""
        return bool(self.problems or self.contradictions)


def merge_stores(sources: Iterable[Path], target: Path) -> MergeResult:
    """Put the records, panels and ledgers of other stores into a store as lines, and pack what lies open in it.

    Each file is replaced in one step, whatever a line needs before the line itself, and open records are removed after
    their lines are on disk. So an interrupted merge loses nothing, and the same call finishes it. A finished record
    replaces a failed one of the same run. Trained models stay where they are: a store that is packed is one to hand on,
    and they are large.

    Args:
        sources: roots of the other stores, which stay as they are.
        target: root of the store that takes all; it is made where there is none.

    Returns:
        What was done. Nothing is written where a file of any store is unsound, or where two finished records of one run
        differ.

    Raises:
        UsageError: one of the stores lies in another one.
        OSError: `target` cannot be written, or something lies in the way of a file; nothing was written then.
    """
    others = [source for source in sources if source.resolve() != target.resolve()]
    _check_apart(others, target)
    store = Store(target)
    store.check_writable()
    contents = [Store(source).read() for source in others]
    if not target.is_dir():  # a refused merge should not leave the folder that the lock needs
        _, result = _combine(StoreContents(root=target), contents)
        if result.refused:
            return result
    make_folder(target)
    with folder_lock(target):  # two merges at a time would each write files without the other's lines
        mine = store.read()
        merged, result = _combine(mine, contents)
        if result.refused:
            return result
        write_packed(merged, [*contents, mine], target)
        models = sum(1 for source in others for _ in find_models(source))
        return replace(result, packed=_remove_open(merged, store), models=models)


def _check_apart(sources: Iterable[Path], target: Path) -> None:
    """Refuse stores within each other: readers of the outer one would take the inner one's files for its own.

    Raises:
        UsageError: one sentence, for the first source that holds the target or lies in it.
    """
    for source in sources:
        if target.resolve().is_relative_to(source.resolve()):
            raise UsageError(
                f"`--into` should be a store outside the source `{source}`. Found `{target}`, which is in it."
            )
        if source.resolve().is_relative_to(target.resolve()):
            raise UsageError(f"A source should be a store outside of `{target}`. Found `{source}`, which is in it.")


def _combine(mine: StoreContents, others: list[StoreContents]) -> tuple[dict[str, ResultRecord], MergeResult]:
    """What a store should hold after a merge, and what the merge will have done.

    Returns:
        run id -> record, and the result without the number of packed records; its reasons, where it should not be done.
    """
    problems = [(each.root or Path(), problem) for each in (mine, *others) for problem in each.problems]
    if problems:
        return {}, MergeResult(problems=problems)
    merged = {record.run_id: record for record in mine.records}
    contradictions, added = _add(merged, others)
    if contradictions:
        return {}, MergeResult(contradictions=contradictions)
    return merged, MergeResult(added, records=len(merged))


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


def write_packed(merged: dict[str, ResultRecord], stores: list[StoreContents], target: Path) -> None:
    """Write every file that is not yet as it should be; a line comes after all that a reader looks up for it.

    Args:
        merged: run id -> record, all that the store should hold.
        stores: the contents whose panels and ledgers it should have, its own among them.
        target: root of the store.

    Raises:
        OSError: something lies in the way, which is said before the first file is written.
    """
    lines: dict[str, list[ResultRecord]] = defaultdict(list)
    protocols = {}
    for record in merged.values():
        lines[find_packed_path(record)].append(record)
        protocols[f"{PROTOCOLS}/{digest_protocol(record.spec.protocol)}.json"] = record.spec.protocol
    panels = {f"{PANELS}/{panel.name}": panel for contents in stores for panel in _list_panels(contents)}
    # Of every record and not of the new ones only: the lines may be here from a merge that was interrupted, or be
    # older than what was found out about them.
    ledgers = {
        where: content
        for contents in stores
        if contents.root and contents.root != target
        for where, content in read_ledger_copies(contents.root)
    }
    for where in (*ledgers, *panels, *protocols, *lines):
        check_file_place(target, target / where)
    for where, panel in panels.items():
        if not (target / where).exists():
            open_regular(panel, links=False).close()
    for where, content in sorted(ledgers.items()):
        _replace(target / where, content)
    for where, panel in sorted(panels.items()):
        if not (target / where).exists():  # one that is there already stays
            _replace(target / where, read_regular(panel, MAX_PANEL, links=False))
    for where, protocol in sorted(protocols.items()):
        _replace(target / where, format_protocol(protocol).encode())
    for where, records in sorted(lines.items()):
        _replace(target / where, "".join(map(pack_line, sorted(records, key=make_line_key))).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step, unless it has that content already: git and mirrors then see no change."""
    same = not path.is_symlink() and path.is_file()  # readers follow no link, whatever it leads to
    if same and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    make_folder(path.parent)
    write_whole(path, content)


def _list_panels(contents: StoreContents) -> list[Path]:
    """The pictures of all records that were read of a store."""
    store = Store(contents.root or Path())
    return [panel for record in contents.records for panel in store.panels(record.spec)]


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
