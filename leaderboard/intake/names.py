"""Checks whether the short name of a method follows from its specification, without running any code.

A record has both: `method`, which leaves out options at their defaults, and `spec.method`, which spells out all of
them. A short name that hides an option would put a run of other settings into a board's row. Defaults are taken from
the source of the parts (`source_card`), so that submitted code is not imported.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from bench.errors import UsageError, make_printable
from bench.records import METHOD_PARTS, UNWEIGHTED, Call, ResultRecord, parse_method
from leaderboard.intake.source_card import Card, read_built_in_cards


def find_misnamed(record: ResultRecord, cards: Mapping[str, Card] | None = None) -> list[str]:
    """Reasons why `record.method` is not the short form of `record.spec.method`.

    The short form names the options that differ from their defaults, and no other.

    Args:
        record: any record; one whose methods cannot be read has no reasons here, since reading it says so.
        cards: part name -> card of the parts that a submission registers, which come before the built-in ones.

    Returns:
        A sentence for each option that should be named or left out. Parts without a card, or of another version than
        their
        card, are skipped: their defaults are not known. A submitted part's option without a literal default cannot be
        checked, and so has to be named.
    """
    spec = record.spec
    return [
        reason
        for kind, brief, full in _pair_parts(record.method, spec.method)
        if (card := (cards or {}).get(full.name) or _find_built_in_card(kind, full.name))
        # An older version of a part may have had other defaults than the source that is read here.
        if spec.versions.get(f"{kind}/{full.name}") == card.version
        for reason in _compare_part(brief, full, card)
    ]


def _find_built_in_card(kind: str, name: str) -> Card | None:
    """The card of a built-in part, None where the name is another kind of part."""
    card = read_built_in_cards().get(name)
    return card if card and card.kind == kind else None


@lru_cache(maxsize=1024)  # a store has few names and many records
def _pair_parts(method: str, canonical: str) -> list[tuple[str, Call, Call]]:
    """(kind, call in the short name, call in the full one) of each part that both texts have.

    A short name without a weighting means UNWEIGHTED, which is always spelled out in the full one.
    """
    try:
        short, whole = parse_method(method), parse_method(canonical)
    except UsageError:
        return []  # which reading the record says
    pairs = []
    for kind in METHOD_PARTS:
        brief, full = getattr(short, kind), getattr(whole, kind)
        if full is not None and (brief is not None or kind == "weighting"):
            pairs.append((kind, brief or Call(UNWEIGHTED), full))
    return pairs


def _compare_part(brief: Call, full: Call, card: Card) -> Iterator[str]:
    """Sentences about the options of one part: its short call against its full one and the defaults of its card."""
    for option, value in full.options.items():
        default, label = card.defaults.get(option), make_printable(option, 60)
        named = option in brief.options
        if default is None:
            if not named:
                yield f"method: should name `{label}`, whose default in the source is no plain value"
        elif named and _is_same_value(value, default):
            yield f"method: should leave out `{label}={make_printable(value, 60)}`, which is the default"
        elif not named and not _is_same_value(value, default) and not (value == "none" and brief.options):
            # An option that another one replaces is `none` in the full text: `strength=0.1` switches `halflife` off.
            default_text = make_printable(default, 60)
            yield f"method: should name `{label}={make_printable(value, 60)}`; the default is {default_text}"


def _is_same_value(value: str, default: str) -> bool:
    """Whether two option texts mean one value: equal texts, or numbers such as `1` and `1.0`."""
    if value == default:
        return True
    try:
        return float(value) == float(default)
    except ValueError:
        return False
