"""Letters for groups of methods: a, b, ..., z, aa, ab, ...; methods that share one are not told apart.

Which methods form a group is decided in `leaderboard.analysis.statistics`; here groups only get their names.
"""

from collections.abc import Iterator, Sequence
from itertools import count, product
from string import ascii_lowercase

MANY = 12  # letters; a column has no room for more


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


def abridge_letters(letters: Sequence[str]) -> str:
    """The letters as one text; more than MANY are written as ranges, as in `a-m p`."""
    if len(letters) <= MANY:
        return join_letters(letters)
    runs: list[list[int]] = []
    # Letters in a row are one range, as seeds are.
    for place in map(_place, letters):
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    known = dict(zip(map(_place, letters), letters, strict=True))
    # Two neighbours are no shorter as a range.
    ends = [f"{known[run[0]]}-{known[run[-1]]}" if len(run) > 2 else " ".join(known[at] for at in run) for run in runs]
    return " ".join(ends)


def _names() -> Iterator[str]:
    """a, b, ..., z, aa, ab, ... without end."""
    return ("".join(letters) for length in count(1) for letters in product(ascii_lowercase, repeat=length))


def _place(letter: str) -> int:
    """The index of a letter: 0 of `a`, 25 of `z`, 26 of `aa`."""
    place = 0
    for character in letter:
        place = 26 * place + ascii_lowercase.index(character) + 1
    return place - 1
