"""Finds the files of a store that should be records.

The walk is the same for every reader, so that a file is either read or named as a problem by all of them.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from bench.records import slug
from leaderboard.store.models import is_model_card
from leaderboard.store.packed import PANELS, PROTOCOLS
from leaderboard.store.problem import Problem

CHECKED = "_verified"  # the folder of what was found out about records (leaderboard.trust.ledger)
OLD_LEDGER = "verified.jsonl"  # the file that older stores have in its place
DEEPEST = 8  # folders in folders; records lie in the second
# What no folder should be called.
_FILES = re.compile(rf"([0-9a-f]{{16}}(\.\d{{1,4}}\.png|\.json)|{re.escape(OLD_LEDGER)})\Z")
_LINES = re.compile(r".+-[0-9a-f]{8}\.jsonl\Z")  # nor in the folder of a suite
_BESIDE = {PROTOCOLS, PANELS, CHECKED}


def list_record_files(root: Path, problems: list[Problem], suite: str | None = None) -> Iterator[Path]:
    """List the files that should be records, open (`*.json`) or packed (`SUITE/*.jsonl`), in a fixed order.

    Links are never followed.

    Args:
        root: the store, which need not exist.
        problems: gets a problem for each link, unreadable or too deep folder, and whatever else is in the way.
        suite: name of a suite without options: skip folders that cannot be of that suite.
    """
    if os.path.lexists(root) and not root.is_dir():
        problems.append(Problem(".", ["should be a folder"]))

    def add_unreadable(error: OSError) -> None:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return  # no store yet, named above, or gone since its parent was listed
        problems.append(Problem(os.path.relpath(error.filename, root), [f"cannot be read ({error.strerror})"]))

    for folder, folders, files in os.walk(root, onerror=add_unreadable):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        beside: set[str] = set()
        if depth == 0:
            beside = _BESIDE.intersection(folders)
            # What was found out about records is asked for with those of any suite.
            folders[:] = [
                name
                for name in folders
                if name not in _BESIDE and (name.startswith(slug(suite or "")) or name == OLD_LEDGER)
            ]
            files = [name for name in files if not suite or name == OLD_LEDGER]
        if folders and depth >= DEEPEST:
            problems.append(Problem(os.path.relpath(folder, root), ["is nested too deep; what is in it is not read"]))
            folders.clear()
        for name in [name for name in folders if _FILES.match(name) or (depth == 1 and _LINES.match(name))]:
            folders.remove(name)
            where = os.path.relpath(Path(folder, name), root)
            problems.append(Problem(where, ["should be a file, found a folder; it is not read"]))
        for name in sorted([*folders, *files, *beside]):
            path = Path(folder, name)
            if name.startswith(".") or is_model_card(name):
                continue
            if path.is_symlink():
                problems.append(Problem(path.relative_to(root).as_posix(), ["is a link; links are not followed"]))
            elif name in files and (path.suffix == ".json" or (path.suffix == ".jsonl" and depth == 1)):
                yield path
