"""A file that could not be used, and why."""

from dataclasses import dataclass

from bench.errors import make_printable

MAX_PATH, MAX_REASON = 1000, 1000  # characters
MAX_REASONS = 20  # that are told of one file


@dataclass(frozen=True)
class Problem:
    """A file of a store that could not be used: its path relative to the root, and the reasons, at most MAX_REASONS.

    Both may quote what somebody else wrote, and are kept in a form that can be shown (`bench.errors.make_printable`).
    More reasons than that are counted in a last one.
    """

    path: str
    reasons: list[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", make_printable(self.path, MAX_PATH))
        more = len(self.reasons) - MAX_REASONS
        told = [make_printable(reason, MAX_REASON) for reason in self.reasons[:MAX_REASONS]]
        object.__setattr__(self, "reasons", [*told, f"and {more:,} more reasons"] if more > 0 else told)
