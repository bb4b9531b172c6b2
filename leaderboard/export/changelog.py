"""CHANGELOG.md as releases with their entries: the form of Keep a Changelog (https://keepachangelog.com/en/1.1.0/)."""

import re
from dataclasses import dataclass

_RELEASE = re.compile(r"## \[(?P<version>[^\]]+)\](?: - (?P<date>.+))?")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_SENTENCE = re.compile(r"(?<=[.:;])\s")


@dataclass(frozen=True)
class Release:
    """A version of the program: its date, or `unreleased`, and kind of change -> entries, as `Added` has them."""

    version: str
    date: str
    changes: dict[str, tuple[str, ...]]


def parse_changelog(text: str) -> list[Release]:
    """The releases in the order of the file, newest first; lines of another form are left out."""
    releases: list[Release] = []
    for part in re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]:
        if head := _RELEASE.match(part):
            sections = re.split(r"^### (.+)\n", part, flags=re.MULTILINE)[1:]
            changes = {
                kind.strip(): _list_entries(body) for kind, body in zip(sections[::2], sections[1::2], strict=True)
            }
            releases.append(Release(head["version"], (head["date"] or "").strip(), changes))
    return releases


def _list_entries(body: str) -> tuple[str, ...]:
    """The entries of a list, each on one line, links as their texts."""
    entries = re.split(r"^- ", body, flags=re.MULTILINE)[1:]
    return tuple(_LINK.sub(r"\1", " ".join(entry.split())) for entry in entries)


def shorten_entry(entry: str) -> str:
    """What an entry is about: its first sentence, or what stands before its first colon or semicolon."""
    first = _SENTENCE.split(entry, maxsplit=1)[0]
    # Not inside of brackets or code, of which a half says nothing.
    whole = first.count("(") == first.count(")") and first.count("`") % 2 == 0
    return (first if whole else entry).rstrip(".:;")
