"""Plain files only: a pipe, a device or a socket in the place of a file never stalls a reader.

Readers of records, submissions and data sets open files through here. What needs a C library to
parse is read in a process of its own beside (`bench.system.reading`).
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


class NotRegular(OSError):
    """A path holds something else than a plain file; the message is one sentence."""


class TooLarge(OSError):
    """A file has more bytes than its reader takes; the message is one sentence."""


def open_regular(path: Path, *, links: bool = True) -> BufferedReader:
    """The plain file at `path`, open for reading.

    Nothing else is ever opened: opening a named pipe waits for its writer, and opening a device can change it.

    links: whether a link to a file is followed. True for files that people point at; False for what the
        project wrote itself, where a link is not its own.

    Raises:
        NotRegular: something else is there.
        OSError: any other failure of opening, as it is.
    """
    status = os.stat(path, follow_symlinks=links)
    if not stat.S_ISREG(status.st_mode):
        raise _refuse(path, status.st_mode)
    # The path may be exchanged between the look and the opening: these flags keep that harmless too.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and not links:  # a link came into its place meanwhile
            raise _refuse(path, stat.S_IFLNK) from error
        raise
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise _refuse(path, opened.st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int, *, links: bool = True) -> bytes:
    """The bytes of the plain file at `path`.

    most: bytes that the caller takes; one more is read at most, whatever the size of the file.

    Raises TooLarge beyond that, otherwise as `open_regular`.
    """
    with open_regular(path, links=links) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TooLarge(f"`{path.name}` should have at most {most:,} bytes. Found more.")
    return content


def _refuse(path: Path, mode: int) -> NotRegular:
    """The error for a path of this `st_mode`, with what was found in words."""
    return NotRegular(f"`{path.name}` should be a file. Found {_KINDS.get(stat.S_IFMT(mode), 'something else')}.")
