"""The Brown corpus in its tagged form: words as `The/at`, a sentence a line."""

from collections.abc import Iterator
from pathlib import Path

from suites.corpus.sentences import Sentence, Spot, read_lines

MARKS = ("-tl", "-hl", "-nc")  # of words in titles, in headlines, and that are cited


def read_brown(file: Path) -> Iterator[Sentence]:
    """The sentences of a file with the part of speech of each word, `pos`.

    A tag is what stands behind the last slash, without the marks of titles, headlines, citations and foreign words
    (`fw-`), and the first of several (`+`, `*` of a negation): 85 or so are left of some 470.

    Raises UsageError, with file and line, for a word without a tag.
    """
    for number, line in enumerate(read_lines(file), 1):
        words, tags = [], []
        for token in line.split():
            word, slash, tag = token.rpartition("/")
            if not slash or not word or not tag:
                Spot(file, number).refuse("have a tag behind every word, as `The/at`", f"`{token}`")
            words.append(word)
            tags.append(shorten_tag(tag))
        if words:
            yield Sentence(tuple(words), {"pos": tuple(tags)})


def shorten_tag(tag: str) -> str:
    """The part of speech of a tag of Brown: `nn` of `nn-tl-hl`, `bez` of `bez*`, `in` of `fw-in+at-tl`."""
    short = tag.lower().removeprefix("fw-")
    while short.endswith(MARKS):
        short = short[:-3]
    short = short.split("+")[0]
    while short.endswith(MARKS):
        short = short[:-3]
    return short.rstrip("*") or "*"
