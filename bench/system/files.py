"""Files that a crash cannot halve: written aside under a lock, synced, and renamed into place."""

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
    """
    temporary, file = _locked(target)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write_whole(target: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `target` in one step."""
    with atomic_file(target) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on `folder`, which other processes wait for; no effect on file systems without flock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, each synced into its own parent: a record is as durable as its path."""
    missing = []
    while not folder.is_dir() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def clear_abandoned(folder: Path) -> None:
    """Remove the temporary files of dead writers from one folder; what cannot be locked or removed stays."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _TEMPORARY.match(name):
                with contextlib.suppress(OSError):
                    _clear(folder / name)


def _clear(temporary: Path) -> None:
    descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.unlink()
    finally:
        os.close(descriptor)


def _locked(target: Path) -> tuple[Path, BinaryIO]:
    """A new temporary file and its name, locked; one that was cleared away before the lock held is made again."""
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
