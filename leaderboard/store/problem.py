"""A file that could not be used, and why; and the sentences on many of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.errors import count_nouns, make_printable

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

    @property
    def needs_plugin(self) -> bool:
        """Whether the record may be sound, and only the plug-in that registers its kind of metric is missing here."""
        return any("`--plugin`" in reason for reason in self.reasons)


def describe_problems(problems: Iterable[Problem], most: int | None = None) -> list[str]:
    """One sentence for all files with the same reasons, and one for the files beyond the first `most` sentences."""
    paths: dict[tuple[str, ...], list[str]] = {}
    for problem in problems:
        paths.setdefault(tuple(problem.reasons), []).append(problem.path)
    sentences = []
    for reasons, named in list(paths.items())[:most]:
        others = f" and {len(named) - 1:,} more" if len(named) > 1 else ""
        text = f"{count_nouns(len(named), 'record')} skipped: {named[0]}{others}: {'; '.join(reasons[:3])}"
        sentences.append(f"{text.rstrip('.')}.")
    if rest := sum(map(len, list(paths.values())[len(sentences) :])):
        sentences.append(f"{count_nouns(rest, 'further record')} skipped.")
    return sentences
