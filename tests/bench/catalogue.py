"""Every built-in method, and every form of it that an option with named choices gives."""

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from bench.plan import method_names
from bench.registry import Entry, entries


def forms(entry: Entry) -> Iterator[str]:
    """`name:option=choice` for each choice that is not the default."""
    for option in entry.options.values():
        if get_origin(option.annotation) is Literal:
            for choice in get_args(option.annotation):
                if choice != option.default:
                    yield f"{entry.name}:{option.name}={choice}"


def catalogue() -> list[str]:
    """`method_names()`, then one method per form of each part."""
    sharings = {name: entry.cls.needs_constraint for name, entry in entries("sharing").items()}  # type: ignore[attr-defined]
    return [
        *method_names(),
        *(f"{form}{'+l2' * sharings[name]}" for name, entry in entries("sharing").items() for form in forms(entry)),
        *(f"soft+{form}" for entry in entries("constraint").values() for form in forms(entry)),
        *(f"hard@{form}" for entry in entries("weighting").values() for form in forms(entry)),
    ]
