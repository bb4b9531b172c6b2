"""Files that are looked at before they are read: a pipe, a device or a socket in their place never stalls a reader."""

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
    """Something else than a file lies at a path; the message is one sentence."""


class TooLarge(OSError):
    """A file holds more than its reader takes; the message is one sentence."""


def open_regular(path: Path, *, links: bool = True) -> BufferedReader:
    """The plain file at `path`, open for reading.

    Nothing else is ever opened: opening a named pipe waits for its writer, and opening a device can change it. `links`
    says whether a link to a file is followed, as it should be for files that people point at; what the project wrote
    itself is no link. Raises NotRegular, and any other OSError of opening as it is.
    """
    found = os.stat(path, follow_symlinks=links)
    if not stat.S_ISREG(found.st_mode):
        raise _other(path, found.st_mode)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and not links:  # a link came into its place meanwhile
            raise _other(path, stat.S_IFLNK) from error
        raise
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise _other(path, opened.st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int, *, links: bool = True) -> bytes:
    """The bytes of the plain file at `path`; TooLarge where there are more than `most`, otherwise as `open_regular`."""
    with open_regular(path, links=links) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TooLarge(f"`{path.name}` should have at most {most:,} bytes. Found more.")
    return content


def _other(path: Path, mode: int) -> NotRegular:
    return NotRegular(f"`{path.name}` should be a file. Found {_KINDS.get(stat.S_IFMT(mode), 'something else')}.")
