"""Stores that code without a sandbox has no business in, compared before and after it ran.

Without a sandbox such code has the user's rights and could write results itself. This does not prevent it, and finds it
afterwards.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import make_printable

MAX_NEW_FILES = 1000  # that are listed after the code ran: it may have put any number there


@contextmanager
def watch_folders(folders: Iterable[Path]) -> Iterator[list[str]]:
    """Yields a list that, at the end of the block, has a sentence for each of `folders` that changed meanwhile.

    Folders that do not exist yet are watched as well. A change by another command looks the same; the sentence says so.
    """
    troubles: list[str] = []
    before = {folder: _record_state(folder) for folder in dict.fromkeys(path.resolve() for path in folders)}
    yield troubles
    for folder, known in before.items():
        if changed := _list_changes(known, _record_state(folder, known)):
            named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            troubles.append(
                f"It changed the store `{folder.name}`, which is not its to write (or another command did meanwhile): "
                f"{named}."
            )


@dataclass(frozen=True)
class _FileState:
    """A file or folder as it was: kind and rights (`mode`) and size in bytes, 0 for a folder.

    `digest` is the SHA-256 of a plain file, the target of a link, or the reason why it could not be read.
    """

    mode: int
    size: int
    digest: str = ""


def _record_state(root: Path, known: Mapping[str, _FileState] | None = None) -> dict[str, _FileState]:
    """path -> its state, for `root` (`.`) and all below; links are not followed, and only plain files are opened.

    With `known`, the state of before, contents are read only where they may still be equal, and at most MAX_NEW_FILES
    more than before are listed, the rest being taken as unchanged: what was put there since may be of any size.
    """
    state: dict[str, _FileState] = {}
    waiting = ["."]
    while waiting and (known is None or len(state) <= len(known) + MAX_NEW_FILES):
        name = waiting.pop()
        path = root / name
        try:
            status = path.lstat()
            seen = _FileState(status.st_mode, status.st_size)
            if stat.S_ISDIR(status.st_mode):
                seen = replace(seen, size=0)  # of a folder it depends on the file system
                with os.scandir(path) as inside:
                    waiting += sorted((os.path.normpath(f"{name}/{entry.name}") for entry in inside), reverse=True)
            elif stat.S_ISLNK(status.st_mode):
                seen = replace(seen, digest=os.readlink(path))
            elif stat.S_ISREG(status.st_mode) and (known is None or (name in known and known[name].size == seen.size)):
                with path.open("rb") as file:
                    seen = replace(seen, digest=hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            if name == "." and isinstance(error, FileNotFoundError):
                break
            seen = _FileState(0, 0, str(error.strerror))
        state[name] = seen
    return {**(known or {}), **state} if waiting else state


def _list_changes(before: Mapping[str, _FileState], after: Mapping[str, _FileState]) -> list[str]:
    """Sentences' parts `path (changed)`, `(removed)` or `(added)`, sorted by path."""
    names = sorted(before.keys() | after.keys())
    word = {(True, True): "changed", (True, False): "removed", (False, True): "added"}
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [f"{make_printable(name, 200)} ({word[name in before, name in after]})" for name in changed]
