"""Whether the short name of a method is the one that follows from its specification, read without running any code."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from bench.errors import UsageError, make_printable
from bench.records import METHOD_PARTS, UNWEIGHTED, Call, ResultRecord, parse_method
from leaderboard.intake.source_card import Card, read_built_in_cards


def find_misnamed(record: ResultRecord, cards: Mapping[str, Card] | None = None) -> list[str]:
    """Why `method` is not short for `spec.method`: what differs from its default is named, and nothing else is.

    `cards` are the parts that a submission registers, by name. Of parts of no card, and of another version than their
    card's, nothing is said; an option of a submitted part without a plain default cannot be left out.
    """
    spec = record.spec
    return [
        reason
        for kind, brief, full in _parts(record.method, spec.method)
        if (card := (cards or {}).get(full.name) or _built_in(kind, full.name))
        if spec.versions.get(f"{kind}/{full.name}") == card.version
        for reason in _compare_part(brief, full, card)
    ]


def _built_in(kind: str, name: str) -> Card | None:
    card = read_built_in_cards().get(name)
    return card if card and card.kind == kind else None


@lru_cache(maxsize=1024)  # a store has few names and many records
def _parts(method: str, canonical: str) -> list[tuple[str, Call, Call]]:
    try:
        short, whole = parse_method(method), parse_method(canonical)
    except UsageError:
        return []  # which reading the record says
    found = []
    for kind in METHOD_PARTS:
        brief, full = getattr(short, kind), getattr(whole, kind)
        if full is not None and (brief is not None or kind == "weighting"):
            found.append((kind, brief or Call(UNWEIGHTED), full))
    return found


def _compare_part(brief: Call, full: Call, card: Card) -> Iterator[str]:
    for option, value in full.options.items():
        default, label = card.defaults.get(option), make_printable(option, 60)
        named = option in brief.options
        if default is None:
            if not named:
                yield f"method: should name `{label}`, whose default in the source is no plain value"
        elif named and _same(value, default):
            yield f"method: should leave out `{label}={make_printable(value, 60)}`, which is the default"
        elif not named and not _same(value, default) and not (value == "none" and brief.options):
            stands = make_printable(default, 60)
            yield f"method: should name `{label}={make_printable(value, 60)}`; the default is {stands}"


def _same(value: str, default: str) -> bool:
    if value == default:
        return True
    try:
        return float(value) == float(default)
    except ValueError:
        return False
