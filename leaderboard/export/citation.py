"""How to cite the project, from the one place where that is written: CITATION.cff.

The file is in the Citation File Format 1.2.0 (https://citation-file-format.github.io); of its fields those are read
that a reference needs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bench.errors import UsageError
from leaderboard.export.project_file import read_project_file

CITATION_FILE = "CITATION.cff"


@dataclass(frozen=True)
class CitedAuthor:
    """An author: `family` and `given` names of a person, or the name of a group as `family`."""

    family: str
    given: str = ""

    @property
    def is_group(self) -> bool:
        """Whether it is no person, so that the name is never cut or turned."""
        return not self.given


@dataclass(frozen=True)
class Citation:
    """What a reference to the project needs.

    Attributes:
        title, version: of the software.
        authors: in their order.
        year: of the release; empty before one.
        doi, url: where it lies; empty where the file names none.
        message: the sentence that asks for the citation.
        abstract, keywords: what it is about.
    """

    title: str
    version: str
    authors: tuple[CitedAuthor, ...]
    year: str = ""
    doi: str = ""
    url: str = ""
    message: str = ""
    abstract: str = ""
    keywords: tuple[str, ...] = ()

    @property
    def bibtex(self) -> str:
        """The reference as an entry `@software` of BibLaTeX; it ends with a newline."""
        authors = " and ".join(_write_bibtex_name(author) for author in self.authors)
        fields = {
            "author": authors,
            "title": f"{{{_escape_bibtex(self.title)}}}",
            "version": _escape_bibtex(self.version),
            "year": self.year,
            "doi": self.doi,
            "url": self.url,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        key = re.sub(r"\W", "", self.title.partition(":")[0].lower()) or "software"
        return "\n".join([f"@software{{{key}{self.year},", *lines, "}\n"])

    @property
    def apa(self) -> str:
        """The reference in the form of the American Psychological Association, 7th edition, for software.

        Authors. (Year). Title (Version ...) [Computer software]. Address. Before a release the year is `n.d.`
        """
        names = [_write_apa_name(author) for author in self.authors]
        authors = ", & ".join(filter(None, (", ".join(names[:-1]), names[-1])))
        version = f" (Version {self.version})" if self.version else ""
        where = f" https://doi.org/{self.doi}" if self.doi else f" {self.url}" if self.url else ""
        stop = "" if authors.endswith(".") else "."
        return f"{authors}{stop} ({self.year or 'n.d.'}). {self.title}{version} [Computer software].{where}"


def read_citation() -> Citation | None:
    """How to cite the project; None where the code came without the file.

    Raises:
        UsageError: the file is malformed.
    """
    text = read_project_file(CITATION_FILE)
    return parse_citation(text) if text else None


def parse_citation(text: str) -> Citation:
    """The content of a CITATION.cff.

    Raises:
        UsageError: it is no YAML, or has no title or no authors with names.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"`{CITATION_FILE}` should be YAML. Found {' '.join(str(error).split())}.") from error
    given = content.get("authors") if isinstance(content, dict) else None
    authors = tuple(map(_parse_author, given)) if isinstance(given, list) else ()
    if not authors or not content.get("title") or not all(author.family for author in authors):
        raise UsageError(f"`{CITATION_FILE}` should have a `title` and `authors` with names. Found none.")
    return Citation(
        **{key: _read_text(content, key) for key in ("title", "version", "doi", "message", "abstract")},
        authors=authors,
        year=_read_text(content, "date-released")[:4],
        url=_read_text(content, "url") or _read_text(content, "repository-code"),
        keywords=_read_words(content.get("keywords")),
    )


def _parse_author(entry: Any) -> CitedAuthor:
    """A person has `family-names` and `given-names`, a group has `name`."""
    if not isinstance(entry, dict):
        return CitedAuthor("")
    return CitedAuthor(_read_text(entry, "name") or _read_text(entry, "family-names"), _read_text(entry, "given-names"))


def _read_text(content: Mapping[str, Any], key: str) -> str:
    """A field as one line; dates and numbers are texts as they are written."""
    return " ".join(str(content.get(key) or "").split())


def _read_words(given: Any) -> tuple[str, ...]:
    """A list of words."""
    return tuple(map(str, given)) if isinstance(given, list) else ()


def _write_bibtex_name(author: CitedAuthor) -> str:
    """A name for BibTeX; braces keep a group's from being taken apart."""
    family = _escape_bibtex(author.family)
    return f"{{{family}}}" if author.is_group else f"{family}, {_escape_bibtex(author.given)}"


def _write_apa_name(author: CitedAuthor) -> str:
    """A person's family name with initials; a group's name as it is."""
    return " ".join([author.family + ("," if author.given else ""), *(f"{name[0]}." for name in author.given.split())])


def _escape_bibtex(text: str) -> str:
    """A text in which no character is a command of LaTeX."""
    return re.sub(r"([&%$#_{}])", r"\\\1", text)
