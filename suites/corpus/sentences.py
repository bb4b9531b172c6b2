"""A sentence of a corpus, and where it stands: what readers of all formats give, and how they tell what is wrong."""

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bench.api import UsageError
from bench.errors import make_printable


@dataclass(frozen=True)
class Sentence:
    """The words of a sentence with its tags.

    words: as they are written.
    tags: column -> a tag for each word; spans as BIO.
    predicate: place of the word whose arguments are tagged, -1 where there is none.
    """

    words: tuple[str, ...]
    tags: dict[str, tuple[str, ...]]
    predicate: int = -1


@dataclass(frozen=True)
class Spot:
    """A line of a file, counted from 1."""

    file: Path
    line: int

    def refuse(self, rule: str, found: str, remedy: str = "") -> NoReturn:
        """Raise UsageError: what should be at this line, what was found, and what to do."""
        end = f"; {remedy}." if remedy else "."
        text = f"`{self.file.name}:{self.line}` should {rule}. Found {found}{end}"
        raise UsageError(make_printable(text, 1000))


def read_lines(file: Path) -> list[str]:
    """The lines of a text in UTF-8, without their ends.

    Raises UsageError, with the number of the line, where a byte is none of UTF-8 or a line holds a NUL.
    """
    data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    lines = []
    for number, line in enumerate(data.replace(b"\r\n", b"\n").split(b"\n"), 1):
        spot = Spot(file, number)
        if b"\0" in line:
            spot.refuse("be text in UTF-8", "a NUL", "a text of 16 bits is converted with `iconv -f utf-16 -t utf-8`")
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            spot.refuse(
                "be text in UTF-8, as its other lines",
                f"the byte {line[error.start]:#x} at place {error.start + 1}",
                "convert the file, as with `iconv -f latin1 -t utf-8`",
            )
    return lines
