"""CHANGELOG.md, taken apart."""

from leaderboard.export.changelog import parse_changelog, shorten_entry
from leaderboard.export.project_file import read_project_file

TEXT = """# Changelog

For users.

## [1.1.0] - unreleased

### Added
- One thing, `a: b`
  ([A 2020](https://doi.org/1)): the rest.
- Another.

### Fixed
- A third; more.

## [1.0.0] - 2026-01-31

### Added
- All of it.
"""


def test_releases_kinds_and_entries() -> None:
    later, first = parse_changelog(TEXT)
    assert (later.version, later.date) == ("1.1.0", "unreleased")
    assert later.changes == {
        "Added": ("One thing, `a: b` (A 2020): the rest.", "Another."),
        "Fixed": ("A third; more.",),
    }
    assert (first.version, first.date, first.changes) == ("1.0.0", "2026-01-31", {"Added": ("All of it.",)})
    assert parse_changelog("") == []


def test_an_entry_in_short() -> None:
    assert shorten_entry("One thing (A 2020): the rest.") == "One thing (A 2020)"
    assert shorten_entry("`a: b` is whole. More.") == "`a: b` is whole. More"  # no half of a code
    assert shorten_entry("Another.") == "Another"


def test_every_entry_of_the_project_is_read() -> None:
    text = read_project_file("CHANGELOG.md")
    entries = [entry for release in parse_changelog(text) for own in release.changes.values() for entry in own]
    assert len(entries) == sum(line.startswith("- ") for line in text.splitlines())
    assert all(shorten_entry(entry) for entry in entries)
