"""Files that a crash cannot halve: written aside under a lock, synced, and renamed into place.

Stores, checkpoints, submissions and the site are written through here. Readers need no lock: a name
shows the old file or the new one, never a part. Locks are those of flock, which a dead process drops.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp\Z", re.DOTALL)
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}  # how file systems say that they cannot


@contextmanager
def atomic_file(target: Path) -> Iterator[BinaryIO]:
    """A file to fill: when the context ends it is at `target`, synced with its folder; after an error nothing is.

    Until then it lies beside `target` as `.NAME.XXXXXXXX.tmp`, locked by its writer. The lock ends with the process,
    however that ends, so that `clear_abandoned` never takes the file of one that lives, on this machine or another.

    The folder of `target` has to exist. A file that was at `target` is replaced.
    """
    temporary, file = _open_temporary(target)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # before the rename: else a power cut can leave the new name with no bytes
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write_whole(target: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `target` in one step, as `atomic_file` does."""
    with atomic_file(target) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on `folder`, which other processes wait for without limit.

    It has no effect on file systems without flock: callers use it to save work or keep order, never as
    the only guard of a file.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, each synced into its own parent: a record is as durable as its path.

    Folders that exist already, or that another process makes meanwhile, are no error.
    """
    missing = []
    while not folder.is_dir() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where its file system can. Other errors are raised as OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def clear_abandoned(folder: Path) -> None:
    """Remove the temporary files of dead writers from one folder.

    A file whose lock is held belongs to a living writer and stays; what cannot be removed stays as well,
    since clearing up may never fail a command.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _TEMPORARY.match(name):
                with contextlib.suppress(OSError):
                    _clear(folder / name)


def _clear(temporary: Path) -> None:
    """Remove one temporary file where its lock is free. Raises OSError where it is held."""
    # Neither a link nor a pipe that somebody named like one of ours is followed or waited for.
    descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.unlink()
    finally:
        os.close(descriptor)


def _open_temporary(target: Path) -> tuple[Path, BinaryIO]:
    """A new, locked temporary file beside `target`, and its name.

    Between making and locking a file another process may clear it; then it has no name left, and a new
    one is made.
    """
    while True:
        temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.tmp")
        file = temporary.open("xb")
        try:
            with contextlib.suppress(OSError):  # without locks nobody can clear it either
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return temporary, file
        except BaseException:
            temporary.unlink(missing_ok=True)
            file.close()
            raise
        file.close()
