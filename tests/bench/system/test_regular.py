"""Only plain files are opened, and at once."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.system.regular import NotRegular, TooLarge, open_regular, read_regular


def serve(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # names of sockets are short


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "a folder"),
    "pipe": (os.mkfifo, "a named pipe"),
    "socket": (serve, "a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "link to a folder": (lambda path: path.symlink_to(path.parent), "a folder"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_file_is_named_at_once(kind: str, tmp_path: Path) -> None:
    make, name = OTHERS[kind]
    path = tmp_path / "thing"
    make(path)
    said: list[str] = []

    def attempt() -> None:
        try:
            open_regular(path)
        except NotRegular as error:
            said.append(str(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5)
    assert said == [f"`thing` should be a file. Found {name}."]


def test_links_are_followed_where_they_may_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 7) == b"content"
    with pytest.raises(NotRegular, match=r"^`link` should be a file\. Found a link\.$"):
        open_regular(tmp_path / "link", links=False)
    assert read_regular(tmp_path / "file", 7, links=False) == b"content"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "absent")


def test_more_than_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(TooLarge, match=r"^`file` should have at most 6 bytes\. Found more\.$"):
        read_regular(tmp_path / "file", 6)


def test_nothing_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(NotRegular):
            open_regular(tmp_path / "pipe")
    assert len(os.listdir("/dev/fd")) == before
