"""Removes what one request leaves in folders that the next one would find.

Otherwise a method could pass notes from training to prediction, past everything that is counted.
"""

import os
import subprocess
import tempfile

CLEAR_SECONDS = 60.0  # limit of each `find`; a copy may have written very many files


class SharedFolders:
    """Folders that all copies of a player may write to.

    In a sandbox, where the player's first process is process 1, its shared memory is private as well and is cleared
    too.
    """

    def __init__(self) -> None:
        self.folders = [tempfile.gettempdir(), *(["/dev/shm"] if os.getpid() == 1 else [])]
        self._remove()
        self._before = self._list()  # what is mounted there, and the folders on the way

    def clear(self) -> bool:
        """Remove what was put there, however deep or protected; returns whether all of it is gone."""
        self._remove()
        return self._list() == self._before

    def _remove(self) -> None:
        """Open closed folders, then delete everything below."""
        self._find("-type", "d", "!", "-perm", "-700", "-exec", "chmod", "u+rwx", "{}", ";")
        self._find("-delete")

    def _list(self) -> list[str]:
        """Paths below the folders, sorted."""
        return sorted(self._find("-print0").split("\0"))

    def _find(self, *action: str) -> str:
        """Output of the system's `find` with `action`, or `unknown` where it failed or took too long.

        Python's own walks fail on folders deeper than its recursion or the limit of a path; `find` copes, and stays on
        one file system.
        """
        words = ["find", *self.folders, "-xdev", "-mindepth", "1", *action]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=CLEAR_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        return os.fsdecode(done.stdout)
