"""The page of what changed: runs and methods of each board by the day, verification, and versions of the program.

All of it is read from records, the ledger of verification and CHANGELOG.md; nothing is written for the page.
"""

from bench.errors import count_nouns
from leaderboard.export.changelog import Release, parse_changelog, shorten_entry
from leaderboard.export.project_file import read_project_file
from leaderboard.report.escape import code_parts, printable
from leaderboard.site.context import Context
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.shown import Shown
from leaderboard.trust.history import (
    CheckedDay,
    count_checked_days,
    list_board_days,
    list_protocol_starts,
)
from leaderboard.trust.ledger import read_dated_checks

NAMED = 8  # new methods of a board on one day that are named


def render_changes_page(site: Context) -> bytes:
    """Render the page, newest first.

    Boards are the committed ones on the default track; a store of one's own without any has what is stored of a suite.
    """
    shown = [one for one in site.shown if one.track == "default"]
    shown = [one for one in shown if one.committed] or shown
    days: dict[str, list[dict[str, object]]] = {}
    boards = []
    for one in shown:
        own = list_board_days(one.results.records)
        href = find_board_address(site, one.board.suite, one)
        for day, change in own.items():
            names = [(printable(name), site.addresses.method(one.find_owner(name))) for name in change.new_methods]
            days.setdefault(day, []).append(
                {
                    "title": printable(one.board.title),
                    "href": href,
                    "runs": count_nouns(change.runs, "run"),
                    "methods": names[:NAMED],
                    "more": max(0, len(names) - NAMED),
                    "new": len(names) == 1,
                }
            )
        boards.append(_describe_board(one, href, list(own)))
    digests = [record.digest for record in site.runs]
    checked = count_checked_days(read_dated_checks(site.contents.root), digests)
    protocols = list_protocol_starts(site.runs)
    told = [
        {
            "day": day,
            "boards": days.get(day, []),
            "protocols": [(printable(name), version) for name, version in protocols.get(day, [])],
            "checked": _word_checked(checked[day]) if day in checked else "",
        }
        for day in sorted({*days, *checked, *protocols}, reverse=True)
    ]
    releases = [_describe_release(release) for release in parse_changelog(read_project_file("CHANGELOG.md"))]
    return site.page("changes.html", "", days=told, boards=boards, releases=releases)


def _describe_board(one: Shown, href: str, days: list[str]) -> dict[str, object]:
    """A board for the table of versions and dates; `days` are those on which runs came to it, newest first."""
    versions = sorted({record.spec.protocol.version for record in one.results.records.values()})
    return {
        "title": printable(one.board.title),
        "href": href,
        "version": one.board.version if one.committed else "",
        "protocol": ", ".join(map(str, versions)),
        "first": days[-1] if days else "",
        "last": days[0] if days else "",
        "runs": len(one.results.records),
        "methods": one.finished,
    }


def _word_checked(day: CheckedDay) -> str:
    """What verification found out on a day, as a sentence."""
    parts = [
        (day.rerun, "run again, the same"),
        (day.recomputed, "recomputed from statistics"),
        (day.contradicted, "run again, not the same"),
    ]
    return "; ".join(f"{count_nouns(count, 'record')} {text}" for count, text in parts if count)


def _describe_release(release: Release) -> dict[str, object]:
    """A release: its name and date, and the kinds of its changes with short entries."""
    changes = [
        (printable(kind), [code_parts(printable(shorten_entry(entry))) for entry in entries])
        for kind, entries in release.changes.items()
    ]
    counts = ", ".join(f"{len(entries)} {kind.lower()}" for kind, entries in changes)
    return {"name": printable(release.version), "date": printable(release.date), "changes": changes, "counts": counts}
