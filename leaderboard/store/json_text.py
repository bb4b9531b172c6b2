"""JSON that a person can read: long lists of numbers stay on one line, everything else is indented."""

import json
from typing import Any

from bench.system.files import write_whole

__all__ = ["format_json", "write_whole"]


def format_json(value: Any, indent: str = "") -> str:
    """Indented JSON of `value` in which a list without objects, however nested, stays on one line.

    Args:
        value: plain JSON values.
        indent: spaces before the closing bracket, for calls on what lies inside.

    Raises:
        ValueError: `value` holds a NaN or an infinity.
    """
    inner = indent + " "
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(key)}: {format_json(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and _holds_object(value):
        items = [inner + format_json(item, inner) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def _holds_object(value: Any) -> bool:
    """Whether a list has an object in it, at any depth, and so needs several lines."""
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_object, value)))
