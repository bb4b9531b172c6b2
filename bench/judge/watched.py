"""Stores that code without a sandbox has no business in, compared before and after it ran."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import make_printable

MORE = 1000  # files beyond those of before that are looked at


@contextmanager
def watch_folders(folders: Iterable[Path]) -> Iterator[list[str]]:
    """A list that, at the end of the block, has a sentence for each of `folders` that changed meanwhile.

    Folders that are not there yet are watched as well.
    """
    troubles: list[str] = []
    before = {folder: _look(folder) for folder in dict.fromkeys(path.resolve() for path in folders)}
    yield troubles
    for folder, known in before.items():
        if changed := _changes(known, _look(folder, known)):
            named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            troubles.append(
                f"It changed the store `{folder.name}`, which is not its to write (or another command did meanwhile): "
                f"{named}."
            )


@dataclass(frozen=True)
class _Seen:
    """A file or folder as it was: its kind and rights, its size, and the digest of a plain file's content."""

    mode: int
    size: int
    digest: str = ""


def _look(root: Path, known: Mapping[str, _Seen] | None = None) -> dict[str, _Seen]:
    """path -> what is there, `root` (`.`) and below; links are not followed, and only plain files are opened.

    With `known` contents are read only where they may still be the same, and not much more than was there is listed
    (the rest is taken as it was): what was put there since may be of any size.
    """
    found: dict[str, _Seen] = {}
    waiting = ["."]
    while waiting and (known is None or len(found) <= len(known) + MORE):
        name = waiting.pop()
        path = root / name
        try:
            status = path.lstat()
            seen = _Seen(status.st_mode, status.st_size)
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
            seen = _Seen(0, 0, str(error.strerror))
        found[name] = seen
    return {**(known or {}), **found} if waiting else found


def _changes(before: Mapping[str, _Seen], after: Mapping[str, _Seen]) -> list[str]:
    names = sorted(before.keys() | after.keys())
    word = {(True, True): "changed", (True, False): "removed", (False, True): "added"}
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [f"{make_printable(name, 200)} ({word[name in before, name in after]})" for name in changed]
