"""Rules for every kind: a docstring, and options that are a text on the command line.

Cases of all kinds take an entry's default values and its forms from here.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin

from bench.catalogue.options import fill_defaults, write
from bench.catalogue.registry import Choice, Entry
from bench.check.outcome import expect
from bench.errors import UsageError
from bench.records import parse_call


class HasEntry(Protocol):
    """A case of any kind, for rules that look at the class alone."""

    entry: Entry


def list_defaults(entry: Entry) -> dict[str, Any]:
    """Every option at its default, by name."""
    return {name: option.default for name, option in entry.options.items()}


def list_forms(entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
    """(text, values): the defaults, then each other choice of the options that name their choices.

    Choices are those of a `Literal`, and true and false. One option is changed at a time: combinations
    would be too many, and often make no sense.
    """
    yield entry.name, list_defaults(entry)
    for name, option in entry.options.items():
        kind = option.annotation
        if get_origin(kind) is Annotated:  # a mark beside the choices, as `Added`
            kind = get_args(kind)[0]
        choices = get_args(kind) if get_origin(kind) is Literal else (True, False) if kind is bool else ()
        for choice in choices:
            if choice != option.default:
                replaced = {option.replaces: None} if option.replaces else {}
                yield f"{entry.name}:{name}={write(choice)}", list_defaults(entry) | replaced | {name: choice}


def list_end_forms(entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
    """(text, values): each end of the range of an option, with the others at their defaults.

    An option that is replaced is None beside the one that replaces it. Lists have no ends.
    """
    for name, option in entry.options.items():
        for end in option.ends:
            replaced = {option.replaces: None} if option.replaces else {}
            yield f"{entry.name}:{name}={write(end)}", list_defaults(entry) | replaced | {name: end}


def is_sentence(text: object) -> bool:
    """Whether `text` is something to print: one line that ends in a full stop."""
    return isinstance(text, str) and text.strip() != "" and "\n" not in text and text.endswith(".")


def documented(case: HasEntry) -> None:
    """A docstring of the class's own: a sentence of what it is, and a line `name: ...` for each option.

    Tables, `mtlbench list` and the pages of methods show them.
    """
    text = inspect.cleandoc(case.entry.cls.__doc__ or "")
    first = text.split("\n\n")[0].strip()
    expect(
        first.endswith((".", ":", "?", "!")) and len(first.split()) > 1,
        f"The class should have a docstring that begins with a sentence on what it does. Found {first or 'none'!r}; "
        "add one, with the equation and the source.",
    )
    for name in case.entry.options:
        # `a, b: ...` may describe two options in one line.
        expect(
            re.search(rf"(?m)^[\w`, ]*\b{name}\b[^:\n]*:", text),
            f"The docstring should describe the option `{name}`. Found no line that begins with `{name}:`; "
            "add it, with what the option does and its range.",
        )


def options(case: HasEntry) -> None:
    """Defaults are legal values, and the canonical text reads back as the same values.

    Run ids are hashes of that text. A default of another type (1 for a float) would give one value two texts.
    """
    entry = case.entry
    for name, option in entry.options.items():
        text = write(option.default)
        try:
            value = option.parse(entry.name, text)
        except UsageError as error:
            expect(
                False,
                f"The default of `{name}` should be one of its legal values. Found `{text}`, which is refused "
                f"({error}) Change the default or the annotation.",
            )
        expect(
            value == option.default and type(value) is type(option.default),
            f"The default of `{name}` should read back from its text `{text}`. Found {value!r} for "
            f"{option.default!r}; make the default of the annotated type.",
        )
    for text, values in list_forms(entry):
        canonical = Choice(entry, values).canonical
        again = fill_defaults(entry.name, entry.options, parse_call(canonical).options)
        expect(
            again == values,
            f"`{text}` should read back from its canonical text `{canonical}`. Found {again}; keep option values "
            "free of `,`, `=`, `+` and `@`.",
        )
