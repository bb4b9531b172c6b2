"""Nested settings as lines."""

import json
from typing import Any

from leaderboard.report.escape import printable


def flatten(value: dict[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """A nested object as pairs of a dotted name and a text."""
    found: list[tuple[str, str]] = []
    for key, item in value.items():
        if isinstance(item, dict):
            found += flatten(item, f"{prefix}{key}.")
        else:
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            found.append((printable(f"{prefix}{key}"), printable(text)))
    return tuple(found)
