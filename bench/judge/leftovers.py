"""What one request leaves in folders that the next one would find."""

import os
import subprocess
import tempfile

CLEAR_SECONDS = 60.0  # for each step of removing what a copy wrote


class Shared:
    """Folders that all copies may write to: what one of them leaves there, no later one finds.

    In a sandbox, where this is process 1, its shared memory is private as well.
    """

    def __init__(self) -> None:
        self.folders = [tempfile.gettempdir(), *(["/dev/shm"] if os.getpid() == 1 else [])]
        self._remove()
        self._before = self._list()  # what is mounted there, and the folders on the way

    def clear(self) -> bool:
        """Remove what was put there, however deep or closed; whether all of it is gone."""
        self._remove()
        return self._list() == self._before

    def _remove(self) -> None:
        self._find("-type", "d", "!", "-perm", "-700", "-exec", "chmod", "u+rwx", "{}", ";")
        self._find("-delete")

    def _list(self) -> list[str]:
        return sorted(self._find("-print0").split("\0"))

    def _find(self, *action: str) -> str:
        """What the system's `find` says: it copes with folders of any depth, and here stays on their file system."""
        words = ["find", *self.folders, "-xdev", "-mindepth", "1", *action]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=CLEAR_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        return os.fsdecode(done.stdout)
