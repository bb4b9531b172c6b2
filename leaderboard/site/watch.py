"""`mtlbench site --watch`: rebuilds the site when its store changes, and serves it to this machine only.

The store is polled, as events of file systems do not cross network mounts. The server is read-only and serves nothing
but files of the site.
"""

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

from leaderboard.site.build import VERSION, read_listing
from leaderboard.store.progress_notes import NOTES_FOLDER
from leaderboard.store.store import CHECKPOINTS

HOST = "127.0.0.1"
# A reader that opens a connection and sends nothing must not hold a thread for good.
PATIENCE = 10.0  # seconds that a connection may be silent
_File = tuple[str, int, int]


class SiteWatcher:
    """Rebuilds the site whenever a file below a store changed.

    Args:
        root: the store; it may not exist yet.
        out: the folder of the site, into which the number of builds is written.
        build: makes the site; its argument is false where only notes of progress changed since the last build.
    """

    def __init__(self, root: Path, out: Path, build: Callable[[bool], object]) -> None:
        self.root, self.out, self._build = root, out, build
        self.builds = 0
        self._seen: list[_File] | None = None
        self._stale = True  # until everything there is was built

    def rebuild_if_changed(self) -> bool:
        """Build if any file changed since the last build; returns whether it did. Errors of `build` pass through."""
        now = list(_files(self.root))
        if now == self._seen:
            return False
        self._stale |= list(filter(_is_lasting, now)) != list(filter(_is_lasting, self._seen or []))
        self._build(self._stale)
        # After the build: one that failed leaves the pages to be made at the next change.
        self._stale = False
        self._seen = now
        self.builds += 1
        (self.out / VERSION).write_text(f'{{"build": {self.builds}}}\n', encoding="utf-8")
        return True

    def rebuild_until(self, stop: threading.Event, seconds: float, complain: Callable[[str], None]) -> None:
        """Poll the store until `stop` is set.

        Args:
            stop: ends the loop.
            seconds: between two looks.
            complain: gets a sentence for a build that failed, which is tried again at the next change.
        """
        while not stop.wait(seconds):
            try:
                self.rebuild_if_changed()
            except Exception as error:
                self._seen = list(_files(self.root))
                complain(f"The site could not be built ({type(error).__name__}: {error}); it stays as it was.")


@contextmanager
def serve_site(out: Path, port: int = 0) -> Iterator[str]:
    """Serve the site in `out` on the loopback interface, read-only; yields the address of the overview.

    Args:
        out: the folder of a site; files that no build wrote are not served.
        port: 0 takes any free one.

    Raises:
        OSError: the port is not free; the message is one sentence.
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
    """One daemon thread per request, so that a slow reader blocks neither others nor the end of the program."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore readers that left or were silent for too long; print one line for anything else."""
        if not isinstance(error := sys.exc_info()[1], OSError):
            print(f"mtlbench: a page could not be served ({type(error).__name__}).", file=sys.stderr)


class _Handler(SimpleHTTPRequestHandler):
    """Serves files of the site to this machine: no directory listing, no foreign host names, no links, no writing."""

    server_version = "mtlbench"
    timeout = PATIENCE

    def send_head(self) -> Any:
        """Refuse foreign host names, and files that no build wrote."""
        # DNS rebinding: a page elsewhere may name this machine, but its own host name is in the request.
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "This server answers on its own machine only")
            return None
        if not self._is_page():
            self.send_error(HTTPStatus.NOT_FOUND, "No such page")
            return None
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """The file that a request asks for, below the folder that is served."""
        return os.path.join(os.path.realpath(self.directory), self._name())

    def _name(self) -> str:
        """The requested file as the listing names it, without query and fragment."""
        return unquote(self.path.partition("?")[0].partition("#")[0]).removeprefix("/") or "index.html"

    def _is_page(self) -> bool:
        """Whether a build wrote the requested file, and no link leads to it."""
        name = self._name()
        if name not in read_listing(Path(self.directory)):
            return False
        target = self.translate_path(self.path)
        return os.path.realpath(target) == target and os.path.isfile(target)  # else a link, from somebody else

    def list_directory(self, path: Any) -> None:
        """Refuse: there are no listings."""
        self.send_error(HTTPStatus.NOT_FOUND, "No such page")

    def end_headers(self) -> None:
        """Forbid caching, since pages change while they are watched, and guessing of content types."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *words: Any) -> None:
        """Print nothing: the terminal belongs to the runs."""


def _is_lasting(file: _File) -> bool:
    """Whether a file is a record or something about one, not a note of progress."""
    return not file[0].startswith(f"{NOTES_FOLDER}{os.sep}")


def _files(root: Path) -> Iterator[_File]:
    """(path, time in nanoseconds, bytes) of every file of a store, in a fixed order.

    Temporary files and checkpoints are left out: they change all the time, and no page shows them.
    """
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != CHECKPOINTS)
        for name in sorted(names):
            # Written under another name first, and renamed when whole.
            if name.endswith(".tmp"):
                continue
            with contextlib.suppress(OSError):
                status = os.stat(os.path.join(folder, name), follow_symlinks=False)
                yield os.path.relpath(os.path.join(folder, name), root), status.st_mtime_ns, status.st_size
