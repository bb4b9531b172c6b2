"""Letters for groups: a, b, ..., z, aa, ab, ...; methods that share one are not told apart."""

from collections.abc import Iterator, Sequence
from itertools import count, product
from string import ascii_lowercase

MANY = 12  # letters that are spelled out


def letters_of(groups: Sequence[Sequence[int]], methods: int) -> list[tuple[str, ...]]:
    """The letters of each of `methods`, one for each group that it is in."""
    found: list[list[str]] = [[] for _ in range(methods)]
    for name, group in zip(_names(), groups, strict=False):
        for method in group:
            found[method].append(name)
    return [tuple(each) for each in found]


def join_letters(letters: Sequence[str]) -> str:
    """The letters as one text, told apart by spaces where one letter is not enough."""
    return (" " if any(len(letter) > 1 for letter in letters) else "").join(letters)


def abridge_letters(letters: Sequence[str]) -> str:
    """The same, with a dash for what lies between: `a-m p` where there are more than 12 letters."""
    if len(letters) <= MANY:
        return join_letters(letters)
    runs: list[list[int]] = []
    for place in map(_place, letters):
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    known = dict(zip(map(_place, letters), letters, strict=True))
    ends = [f"{known[run[0]]}-{known[run[-1]]}" if len(run) > 2 else " ".join(known[at] for at in run) for run in runs]
    return " ".join(ends)


def _names() -> Iterator[str]:
    """a, b, ..., z, aa, ab, ... without end."""
    return ("".join(letters) for length in count(1) for letters in product(ascii_lowercase, repeat=length))


def _place(letter: str) -> int:
    """0 of `a`, 25 of `z`, 26 of `aa`."""
    place = 0
    for character in letter:
        place = 26 * place + ascii_lowercase.index(character) + 1
    return place - 1
