"""What the search of the site finds: pages, questions, methods, suites and findings, each with words it is found by.

Made when the site is built, from what is on its pages and from `search_words.toml`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leaderboard.intake.source_card import read_suite_cards
from leaderboard.report.escape import printable
from leaderboard.site.context import Context
from leaderboard.site.families import find_method_family, is_plain, write_method_title
from leaderboard.site.pages.method import list_parts
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.pages.suites import name_suite
from leaderboard.site.view import as_json

WORDS_FILE = Path(__file__).parents[1] / "search_words.toml"
SCRIPT = "assets/search_index.js"  # a script, since pages that are opened from disk cannot fetch data
MOST_TEXT = 160  # characters of what a method or suite says of itself


@dataclass(frozen=True)
class SearchEntry:
    """Something that can be found.

    Attributes:
        kind: `page`, `question`, `method`, `suite` or `finding`.
        title: what the result says.
        href: where it leads, relative to the site's root.
        words: further words that it is found by.
    """

    kind: str
    title: str
    href: str
    words: str


def collect_entries(site: Context) -> list[SearchEntry]:
    """Everything that the search finds, in the order in which equal hits are shown; of pages those of `site.pages`."""
    words = _read_words()
    return [
        *(SearchEntry("question", *each) for each in list_questions(site)),
        *(
            SearchEntry("page", told["title"], name, told["words"])
            for name, told in words["pages"].items()
            if name in site.pages
        ),
        *_list_methods(site, words["methods"]),
        *_list_suites(site, words["kinds"]),
        *(
            SearchEntry("finding", each.finding.text, f"index.html#{each.finding.name.replace(' ', '-')}", "")
            for each in site.findings
        ),
    ]


def list_questions(site: Context) -> list[tuple[str, str, str]]:
    """(question, address of its answer, further words) of the questions that the pages of this site answer."""
    special = {"pictures": _find_pictures(site), "reproduce": _find_reproducible(site)}
    found = []
    for each in _read_words()["questions"]:
        href = special.get(each["href"], each["href"])
        if href and href.partition("#")[0] in site.pages:
            found.append((each["text"], href, each["words"]))
    return found


def write_search_script(site: Context) -> bytes:
    """The index as a script that `search.js` loads when somebody begins to search."""
    rows = [[each.kind, each.title, each.href, each.words] for each in collect_entries(site)]
    return f"window.mtlbenchIndex = {as_json(rows)};\n".encode()


@cache
def _read_words() -> dict[str, Any]:
    """The content of `search_words.toml`."""
    return tomllib.loads(WORDS_FILE.read_text(encoding="utf-8"))


def _list_methods(site: Context, synonyms: Mapping[str, str]) -> Iterator[SearchEntry]:
    """Methods with a page: their title, family, parts, papers and synonyms; those as they come first."""
    for method in sorted(site.by_method, key=lambda each: (not is_plain(each), each)):
        parts = list_parts(method)
        cards = [site.cards[name] for name in parts if name in site.cards]
        told = [find_method_family(method, site.cards), *(synonyms.get(name, "") for name in parts)]
        told += [text for card in cards for text in (card.paper, card.kind, _shorten(card.text))]
        title = write_method_title(method, site.cards)
        shown = f"{title} ({method})" if title else method
        yield SearchEntry("method", printable(shown), site.addresses.method(method), printable(" ".join(told)))


def _list_suites(site: Context, kinds: Mapping[str, str]) -> Iterator[SearchEntry]:
    """Suites and their variants with a board: titles of their boards, tasks, kinds of tasks, family and card."""
    cards = read_suite_cards()
    for suite, boards in site.suites.items():
        base = suite.partition(":")[0]
        card = cards.get(base)
        protocol = boards[0].results.cells.protocol
        own = dict.fromkeys((protocol.metrics if protocol else {}).values())
        told = [each.board.title for each in boards] + [each.board.name for each in boards]
        told += [*boards[0].results.cells.tasks[:6], *(f"{kind} {kinds.get(kind, '')}" for kind in own)]
        told += [card.family, _shorten(card.text)] if card else []
        title = f"{name_suite(base)} ({suite})"
        yield SearchEntry(
            "suite", printable(title), find_board_address(site, suite, boards[0]), printable(" ".join(told))
        )


def _find_pictures(site: Context) -> str:
    """The first suite whose page shows predictions; empty where none does."""
    for suite, boards in site.suites.items():
        if any(site.pictures.get(run.run_id) for run in boards[0].results.records.values()):
            return f"{find_board_address(site, suite, boards[0])}#pictures"
    return ""


def _find_reproducible(site: Context) -> str:
    """The first suite whose page says how to run its board again: a committed one; empty where there is none."""
    for suite, boards in site.suites.items():
        if boards[0].committed and boards[0].track == "default":
            return f"{find_board_address(site, suite, boards[0])}#reproduce"
    return ""


def _shorten(text: str) -> str:
    """The beginning of a docstring, without marks of code."""
    return " ".join(text.split("\n\n")[0].replace("`", "").split())[:MOST_TEXT]
