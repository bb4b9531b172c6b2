"""Which family a method or a suite belongs to, and what people call it: from what parts say of themselves.

The names of families stand with the parts, where they are registered; here is only the order in which pages show them.
A family that is not listed, as of a plug-in, comes after the others.
"""

from collections.abc import Iterable, Mapping

from bench.errors import UsageError
from bench.records import Call, MethodText, parse_method
from leaderboard.intake.source_card import Card
from leaderboard.report.sharing_picture import KINDS_OF_SHARING

# From separate models to one trunk, then what weights losses and gradients, then what trains otherwise.
SEPARATE = "separate models"
METHOD_FAMILIES = (
    *(SEPARATE, "penalised copies", "common structure", "stitched networks", "experts and gates"),
    *("trunk and task parts", "learned structure", "one shared trunk", "weighted losses", "combined gradients"),
    *("one after the other", "kernels, trees, neighbours"),
)
SUITE_FAMILIES = ("digits", "rooms", "text", "tables and patients", "generated, truth known")
OTHER = "other data"
DIAL = (0, 1, 3, 4, 7)  # of METHOD_FAMILIES: who owns which parameters, from all separate to all shared


def find_method_family(method: str, cards: Mapping[str, Card]) -> str:
    """The family of a method's deciding part: constraint, else weighting, else sharing; empty where it has none.

    Controls, as a wider trunk, have none, and neither has a text that is no method.
    """
    parsed = _parse(method)
    if parsed is None:
        return ""
    # A constraint without a family is a control, as one that holds nothing together: so is the whole method then.
    deciding = parsed.constraint or (parsed.weighting if _family_of(parsed.weighting, cards) else None)
    return _family_of(deciding or parsed.sharing, cards)


def write_method_title(method: str, cards: Mapping[str, Card]) -> str:
    """A method's name for people, as `Soft sharing, distance to the mean`; empty where a part has none."""
    parsed = _parse(method)
    titles = [cards[call.name].title if call.name in cards else "" for call in _list_calls(parsed)] if parsed else []
    return ", ".join(titles) if all(titles) else ""


def find_place(method: str, cards: Mapping[str, Card]) -> str:
    """Where a method lies between separate models and one trunk, a key of KINDS_OF_SHARING; empty between the kinds.

    A weighting or a constraint whose family has no place of its own lies where its sharing does.
    """
    parsed = _parse(method)
    places = dict(zip((METHOD_FAMILIES[number] for number in DIAL), KINDS_OF_SHARING, strict=True))
    families = [find_method_family(method, cards), *([_family_of(parsed.sharing, cards)] if parsed else [])]
    return next((places[family] for family in families if family in places), "")


def is_plain(method: str) -> bool:
    """Whether a method is written without options: each part as it comes."""
    parsed = _parse(method)
    return parsed is not None and not any(call.options for call in _list_calls(parsed))


def order_families(families: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """Families in the order of `known`, then the others by name; each once, and none that is empty."""
    return sorted({*families} - {""}, key=lambda name: (known.index(name) if name in known else len(known), name))


def _family_of(call: Call | None, cards: Mapping[str, Card]) -> str:
    """The family of a part; empty where it has none."""
    return cards[call.name].family if call and call.name in cards else ""


def _list_calls(parsed: MethodText) -> list[Call]:
    """The parts that are written, in order."""
    return [call for call in (parsed.sharing, parsed.constraint, parsed.weighting) if call]


def _parse(method: str) -> MethodText | None:
    """The parts of a method's text; None where it is none: records may have any."""
    try:
        return parse_method(method)
    except UsageError:
        return None
