"""Folders of own data sets: listed, found, and written whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UsageError, make_printable
from bench.system.data_folder import find_data_folder
from bench.system.files import folder_lock, make_folder, sync_folder
from suites._own.description import SET_FILE, OwnDescription

SET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z")  # as names of suites, in the grammar of the command line
_TEMPORARY = re.compile(r"\.\w+\.[0-9a-f]{8}\.tmp\Z")


def find_own_root(data_dir: Path | None) -> Path:
    """The folder of all own data sets; it need not exist."""
    return find_data_folder(data_dir) / "own"


def list_own_names(data_dir: Path | None) -> list[str]:
    """Names of the sets that are there, sorted; none where the folder cannot be read."""
    root = find_own_root(data_dir)
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(root) if SET_NAME.match(name) and (root / name / SET_FILE).is_file())
    return []


@contextmanager
def write_own_set(
    data_dir: Path | None, name: str, replace: bool = False
) -> Iterator[tuple[Path, Callable[[OwnDescription], Path]]]:
    """(a folder to put files into, what to call with the description once they are there).

    The call notes size and SHA-256 of every file, and renames the folder to `own/NAME`, which it returns. Whatever ends
    the context before it, an error, an interrupt or a full disk, nothing is left of the set, and one of this name that
    was there still is. A process that was killed leaves a hidden folder, which the next one removes.

    data_dir: the folder of data sets; None for the default one.
    name: letters, digits and `_`.
    replace: whether a set of this name may be there, whose place this one takes.

    Raises UsageError where the name is none, or is taken.
    """
    check_new_name(data_dir, name, replace)
    root = find_own_root(data_dir)
    target = root / name
    make_folder(root)
    _clear_abandoned(root)
    temporary = root / f".{name}.{secrets.token_hex(4)}.tmp"
    temporary.mkdir()
    descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # without locks nobody clears it either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield temporary, lambda description: _publish(temporary, target, description, replace)
    finally:
        os.close(descriptor)
        shutil.rmtree(temporary, ignore_errors=True)  # it is gone where it was renamed


def check_new_name(data_dir: Path | None, name: str, replace: bool) -> None:
    """Raise UsageError where `name` is no name of a set, or is taken and may not be replaced."""
    if not SET_NAME.match(name):
        raise UsageError(
            "`--name` should be letters, digits and `_`, starting with a letter, as `my_table`. Found "
            f"`{make_printable(name)}`."
        )
    _refuse_taken(find_own_root(data_dir) / name, replace)


def _refuse_taken(target: Path, replace: bool) -> None:
    """Raise UsageError where something is at `target` that may not be replaced."""
    if os.path.lexists(target) and not replace:
        raise UsageError(
            f"There is an own data set `{target.name}` already; choose another name, or replace it with `--replace`."
        )


def _publish(temporary: Path, target: Path, description: OwnDescription, replace: bool) -> Path:
    """Complete the description, sync all files, and rename the folder; returns `target`."""
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    names = {path: path.relative_to(temporary).as_posix() for path in files}
    described = description.model_copy(
        update={
            "sha256": {names[path]: hash_file(path) for path in files if path.suffix != ".md"},  # cards are for people
            "bytes": {names[path]: path.stat().st_size for path in files if path.suffix != ".md"},
        }
    )
    (temporary / SET_FILE).write_text(described.model_dump_json(indent=1), encoding="utf-8")
    for path in [*files, temporary / SET_FILE]:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(temporary)
    with folder_lock(target.parent):
        _refuse_taken(target, replace)
        old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        if os.path.lexists(target):
            os.rename(target, old)
        os.rename(temporary, target)
        sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)
    return target


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _clear_abandoned(root: Path) -> None:
    """Remove the hidden folders of processes that are gone; those of living ones are locked."""
    for name in os.listdir(root):
        if _TEMPORARY.match(name):
            with contextlib.suppress(OSError):
                descriptor = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(root / name)
                finally:
                    os.close(descriptor)
