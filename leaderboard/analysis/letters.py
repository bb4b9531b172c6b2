"""Letters for groups of methods: a, b, ..., z, aa, ab, ...; methods that share one are not told apart.

Which methods form a group is decided in `leaderboard.analysis.statistics`; here groups only get their names.
"""

from collections.abc import Iterator, Sequence
from itertools import count, product
from string import ascii_lowercase


def letters_of(groups: Sequence[Sequence[int]], methods: int) -> list[tuple[str, ...]]:
    """Name groups by letters.

    Args:
        groups: the indices of the methods in each, in the order in which letters are given.
        methods: the number of methods.

    Returns:
        For each method the letters of its groups; empty for a method in none.
    """
    letters: list[list[str]] = [[] for _ in range(methods)]
    for name, group in zip(_names(), groups, strict=False):
        for method in group:
            letters[method].append(name)
    return [tuple(each) for each in letters]


def join_letters(letters: Sequence[str]) -> str:
    """The letters as one text, separated by blanks where one of them has two characters."""
    return (" " if any(len(letter) > 1 for letter in letters) else "").join(letters)


def _names() -> Iterator[str]:
    """a, b, ..., z, aa, ab, ... without end."""
    return ("".join(letters) for length in count(1) for letters in product(ascii_lowercase, repeat=length))
