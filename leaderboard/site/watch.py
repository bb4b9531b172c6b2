"""The site of a store that grows: built again when the store changes, served to this machine only."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from leaderboard.site.build import VERSION, written_names
from leaderboard.store.progress_notes import NOTES_FOLDER
from leaderboard.store.store import CHECKPOINTS

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds that a connection may be silent
_File = tuple[str, int, int]


class SiteWatcher:
    """Builds the site of `root` into `out` whenever something below `root` changed.

    `build` is told whether that was a record, or something beside one; else it was only how far runs are.
    """

    def __init__(self, root: Path, out: Path, build: Callable[[bool], object]) -> None:
        self.root, self.out, self._build = root, out, build
        self.builds = 0
        self._seen: list[_File] | None = None
        self._stale = True  # until everything there is was built

    def rebuild_if_changed(self) -> bool:
        """Build if there is something new; whether there was."""
        now = list(_files(self.root))
        if now == self._seen:
            return False
        self._stale |= list(filter(_is_lasting, now)) != list(filter(_is_lasting, self._seen or []))
        self._build(self._stale)
        self._stale = False
        self._seen = now
        self.builds += 1
        (self.out / VERSION).write_text(f'{{"build": {self.builds}}}\n', encoding="utf-8")
        return True

    def rebuild_until(self, stop: threading.Event, seconds: float, complain: Callable[[str], None]) -> None:
        """Look every so often until `stop`; a build that fails is said, and tried again at the next change."""
        while not stop.wait(seconds):
            try:
                self.rebuild_if_changed()
            except Exception as error:
                self._seen = list(_files(self.root))
                complain(f"The site could not be built ({type(error).__name__}: {error}); it stays as it was.")


@contextmanager
def serve_site(out: Path, port: int = 0) -> Iterator[str]:
    """Serve the site in `out` on the loopback interface, for reading only; yields the address of the overview.

    What no build wrote is not there. Raises OSError with one sentence where the port cannot be had.
    """
    try:
        server = _Server((HOST, port), partial(_Handler, directory=str(out)))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"Port {port} should be free on this machine, but is not ({reason}); try another.") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """Answers each reader in a thread of its own, which ends with the program."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing where a reader left, or was silent for too long; one line else."""
        if not isinstance(error := sys.exc_info()[1], OSError):
            print(f"mtlbench: a page could not be served ({type(error).__name__}).", file=sys.stderr)


class _Handler(SimpleHTTPRequestHandler):
    """Files that a build wrote: no listing, no other host's name, no link, nothing that writes."""

    server_version = "mtlbench"
    timeout = PATIENCE

    def send_head(self) -> Any:
        """Refuse other host names, against pages elsewhere that name this machine, and whatever no build wrote."""
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "This server answers on its own machine only")
            return None
        if not self._is_page():
            self.send_error(HTTPStatus.NOT_FOUND, "No such page")
            return None
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """Where a name lies below the folder that is served."""
        return os.path.join(os.path.realpath(self.directory), self._name())

    def _name(self) -> str:
        """What is asked for, as a listing names it."""
        return unquote(self.path.partition("?")[0].partition("#")[0]).removeprefix("/") or "index.html"

    def _is_page(self) -> bool:
        """Whether a build wrote what is asked for, and no link leads to it."""
        name = self._name()
        if name not in written_names(Path(self.directory)):
            return False
        target = self.translate_path(self.path)
        return os.path.realpath(target) == target and os.path.isfile(target)  # else a link, from somebody else

    def list_directory(self, path: Any) -> None:
        """Nothing: there is no listing."""
        self.send_error(HTTPStatus.NOT_FOUND, "No such page")

    def end_headers(self) -> None:
        """Pages change while they are watched, and are of the type that is said."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *words: Any) -> None:
        """Nothing: the terminal belongs to the runs."""


def _is_lasting(file: _File) -> bool:
    """Whether a file is more than a note of runs that go on."""
    return not file[0].startswith(f"{NOTES_FOLDER}{os.sep}")


def _files(root: Path) -> Iterator[_File]:
    """Path, time and size of every file of a store, in a fixed order; temporary ones and checkpoints left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != CHECKPOINTS)
        for name in sorted(names):
            if name.endswith(".tmp"):
                continue
            with contextlib.suppress(OSError):
                found = os.stat(os.path.join(folder, name), follow_symlinks=False)
                yield os.path.relpath(os.path.join(folder, name), root), found.st_mtime_ns, found.st_size
