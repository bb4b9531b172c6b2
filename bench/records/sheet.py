"""The layout of a panel: a test image, and truth above prediction for every task, side by side on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass

GAP, TITLE = 8, 30  # pixels between pictures, and above each of them for its name


@dataclass(frozen=True)
class Sheet:
    """A sheet with one column for the input and one for each task, of pictures `wide` x `high` pixels.

    Row 0 holds the input and the truths, row 1 the predictions; below the input, from its own row's title on, is
    room for a key of colours.
    """

    tasks: tuple[str, ...]
    wide: int
    high: int

    @classmethod
    def of(cls, tasks: Sequence[str], width: int, height: int) -> "Sheet | None":
        """The layout of a sheet of this size with these tasks; None where no sheet has it."""
        wide, rest = divmod(width - GAP, len(tasks) + 1)
        high, odd = divmod(height - GAP, 2)
        if rest or odd or wide <= GAP or high <= TITLE:
            return None
        return cls(tuple(tasks), wide - GAP, high - TITLE)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        return GAP + (len(self.tasks) + 1) * (self.wide + GAP), 2 * (TITLE + self.high) + GAP

    def place(self, column: int, row: int) -> tuple[int, int]:
        """The left upper corner of a picture; its name stands in the TITLE pixels above it."""
        return GAP + column * (self.wide + GAP), row * (TITLE + self.high) + TITLE

    def column(self, task: str) -> int:
        """That of a task; the input has column 0."""
        return 1 + self.tasks.index(task)
