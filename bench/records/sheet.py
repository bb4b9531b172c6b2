"""The layout of a panel: a test image, and truth above prediction for every task, side by side on one sheet.

Training draws sheets by it, the site cuts them apart by it; both read the numbers here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 8  # pixels between pictures, and around all of them
TITLE = 30  # pixels above each picture, for its name


@dataclass(frozen=True)
class Sheet:
    """A sheet with one column for the input and one for each task, of pictures `wide` x `high` pixels.

    Row 0 holds the input and the truths, row 1 the predictions. The space below the input, from the
    title of row 1 on, is free for a key of colours.
    """

    tasks: tuple[str, ...]
    wide: int
    high: int

    @classmethod
    def of(cls, tasks: Sequence[str], width: int, height: int) -> "Sheet | None":
        """The layout of a sheet of this size with these tasks; None where no sheet has it.

        tasks: in the order of their columns.
        width, height: of the whole sheet, in pixels.
        """
        wide, rest = divmod(width - GAP, len(tasks) + 1)
        high, odd = divmod(height - GAP, 2)
        if rest or odd or wide <= GAP or high <= TITLE:  # no whole number of pixels for a picture
            return None
        return cls(tuple(tasks), wide - GAP, high - TITLE)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole, in pixels."""
        return GAP + (len(self.tasks) + 1) * (self.wide + GAP), 2 * (TITLE + self.high) + GAP

    def place(self, column: int, row: int) -> tuple[int, int]:
        """x and y of the left upper corner of a picture, in pixels; its name goes into the TITLE pixels above it."""
        return GAP + column * (self.wide + GAP), row * (TITLE + self.high) + TITLE

    def column(self, task: str) -> int:
        """The column of a task; the input has column 0. Raises ValueError for a task that the sheet has not."""
        return 1 + self.tasks.index(task)
