"""A budget of wall-clock seconds: work that takes longer is ended as Ctrl-C would end it, and keeps what is stored."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class BudgetSpent(KeyboardInterrupt):
    """The time is up. An interrupt like Ctrl-C: everything that ends runs in order ends them for this one, too."""


class Budget:
    """Seconds from now on, and what is left of them.

    Args:
        seconds: of wall-clock time; infinite for no limit.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._began = seconds, time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds until the end; not below 0."""
        return max(0.0, self.seconds - self.spent)

    @contextmanager
    def limit(self) -> Iterator[None]:
        """Inside, BudgetSpent is raised when the time is up; at once where it is up already.

        In another thread than the main one nothing is raised, since only that one takes signals.
        """
        if self.left == 0:
            raise BudgetSpent
        if self.left == float("inf") or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, _end)
        signal.setitimer(signal.ITIMER_REAL, self.left)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _end(number: int, frame: FrameType | None) -> None:
    raise BudgetSpent
