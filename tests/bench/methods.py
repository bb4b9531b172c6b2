"""Every built-in method that is trained, and every form of it that an option with named choices gives."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args, get_origin

from bench.catalogue.registry import Entry, list_entries
from bench.core.self_fitting import SelfFitting
from bench.planning.plan import list_method_names


def forms(entry: Entry) -> Iterator[str]:
    """`name:option=choice` for each choice that is not the default."""
    for option in entry.options.values():
        # `Added` and other marks stand around an option's type, in an `Annotated`.
        marked = get_origin(option.annotation) is Annotated
        kind = get_args(option.annotation)[0] if marked else option.annotation
        if get_origin(kind) is Literal:
            for choice in get_args(kind):
                if choice != option.default:
                    yield f"{entry.name}:{option.name}={choice}"


def fitted_by_themselves() -> list[str]:
    """Sharings that no update trains, as Gaussian processes or trees, which have tests of their own."""
    return [name for name, entry in list_entries("sharing").items() if issubclass(entry.cls, SelfFitting)]


def trained_methods() -> list[str]:
    """`list_method_names()` without what is fitted by itself."""
    itself = fitted_by_themselves()
    return [name for name in list_method_names() if name not in itself]


def catalogue() -> list[str]:
    """`trained_methods()`, then one method per form of each part."""
    itself = fitted_by_themselves()
    sharings = {name: entry for name, entry in list_entries("sharing").items() if name not in itself}
    needs: dict[str, bool] = {name: entry.cls.needs_constraint for name, entry in sharings.items()}  # type: ignore[attr-defined]
    return [
        *trained_methods(),
        *(f"{form}{'+l2' * needs[name]}" for name, entry in sharings.items() for form in forms(entry)),
        *(f"soft+{form}" for entry in list_entries("constraint").values() for form in forms(entry)),
        *(f"hard@{form}" for entry in list_entries("weighting").values() for form in forms(entry)),
    ]
