"""Sentences for the errors of pydantic, addressed to whoever wrote the values.

Used where a protocol comes from the command line, and where records or manifests come from files.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bench.errors import make_printable, quote_nearest
from bench.records.protocol import Protocol

_PARSED = {  # pydantic's types of errors whose own sentences speak of strings
    "float_parsing": "be a number",
    "int_parsing": "be a whole number",
    "bool_parsing": "be `true` or `false`",
}
AT_MOST = 3  # fields in one message: more would be read by nobody, and the rest follows when these are mended


def explain_invalid(error: ValidationError) -> str:
    """One sentence for each of the first fields that are wrong: what it should be, and what was found.

    Fields of the protocol come with their choices, or with the description of what they mean; of other
    models only the name is known. Values from outside are cut to 60 characters and made printable.
    """
    known = error.title == Protocol.__name__
    owner, fields = ("the protocol", Protocol.model_fields) if known else (f"`{error.title}`", {})
    return " ".join(_sentence(owner, fields, dict(item)) for item in error.errors(include_url=False)[:AT_MOST])


def _sentence(owner: str, fields: Mapping[str, FieldInfo], item: dict[str, Any]) -> str:
    """The sentence for one error of pydantic.

    Args:
        owner: what the field belongs to, for the sentence: "the protocol" or the name of a model.
        fields: name -> field where the model is known, for its choices and descriptions; else empty.
        item: one item of `ValidationError.errors()`.
    """
    place, message = ".".join(map(str, item["loc"])), item["msg"]
    if not place:  # a validator of several fields, whose message is a sentence already
        return str(message.removeprefix("Value error, "))
    if item["type"] == "extra_forbidden":
        remedy = f"the nearest: {quote_nearest(place, fields)}" if fields else "leave it out"
        return f"{owner[0].upper()}{owner[1:]} has no field `{place}`; {remedy}."
    found = f"`{make_printable(str(item['input']), 60)}`"
    if item["type"] == "missing":
        field = fields.get(place)
        wanted, found = f"be {_choices(field) or 'given'}", "none"
        if field and field.description and wanted == "be given":
            wanted += f": {field.description}"
    elif item["type"] in _PARSED:
        wanted = _PARSED[item["type"]]
    else:
        wanted = message.removeprefix("Input should ").replace("'", "`")
        wanted = wanted if message.startswith("Input should ") else f"be valid ({wanted[0].lower()}{wanted[1:]})"
    return f"`{place}` of {owner} should {wanted}. Found {found}."


def _choices(field: FieldInfo | None) -> str:
    """`a`, `b` or `c`; empty where a field has no choices."""
    if field is None or get_origin(field.annotation) is not Literal:
        return ""
    *others, last = (f"`{value}`" for value in get_args(field.annotation))
    return f"{', '.join(others)} or {last}" if others else last
