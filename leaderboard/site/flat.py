"""Nested settings as lines, for the lists of protocols and environments on pages."""

import json
from typing import Any

from leaderboard.report.escape import printable


def flatten(value: dict[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """A nested object as pairs of a dotted name and a printable text; lists and numbers are written as JSON.

    `prefix` is put before every name; the recursion uses it.
    """
    pairs: list[tuple[str, str]] = []
    for key, item in value.items():
        if isinstance(item, dict):
            pairs += flatten(item, f"{prefix}{key}.")
        else:
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            pairs.append((printable(f"{prefix}{key}"), printable(text)))
    return tuple(pairs)
