"""Labels of charts: escaped, and as wide as they will be, about."""

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape, unescape
from typing import Any

# Pixels of a letter at a height of 12, of the widest of the fonts that the page asks for (DejaVu Sans).
_LETTER = 7.6
_LETTERS = {
    **dict.fromkeys("ijlI|.,:;'! ", 4.0),
    **dict.fromkeys("()[]{}/tfr-s", 5.6),
    **dict.fromkeys("mwMW@%&→∞—…+=<>±Δ", 11.5),
}
_PLACE = re.compile(r"%\{(\w+)(?::([^}]*))?\}")
_BESIDE = re.compile(r"<extra>.*?</extra>", re.S)


@lru_cache(maxsize=20_000)
def make_label(text: str) -> str:
    """`text` for a label, without markup; what is escaped already stays so.

    Figures repeat names of tasks and methods thousands of times, so that they are kept.
    """
    return escape(unescape(text), quote=True)


@lru_cache(maxsize=20_000)
def measure_label(text: str) -> float:
    """The width of a label in pixels at 12 pixels a letter's height, rather too wide than too narrow."""
    return sum(_LETTERS.get(sign, _LETTER) for sign in unescape(text))


def fill_template(template: str, values: Mapping[str, Any]) -> str:
    """A text with its places filled, as `%{y:.3f}`; a line for each `<br>`, and without what stands in `<extra>`."""

    def fill(place: re.Match[str]) -> str:
        """The text of one place; formats are those of `format`."""
        value = values.get(place[1])
        if value is None or isinstance(value, str):
            return unescape(value or "")
        return format(value, place[2] or "")

    return "\n".join(_PLACE.sub(fill, part) for part in _BESIDE.sub("", template).split("<br>"))
