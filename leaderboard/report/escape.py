"""Texts of others inside ours: what keeps them from being markup, a formula, or an order to a terminal.

Everything that comes from a file or a record goes through one of these before it is part of a document.
"""

import re
import unicodedata

from bench.errors import make_printable

_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "Δ": r"$\Delta$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "—": "---",
    "†": r"\dag{}",
} | {character: f"\\{character}" for character in "&%$#_{}"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


def printable(text: str) -> str:
    """`text`, whole, without control characters, so that a name cannot steer a terminal or break a line."""
    return make_printable(text, len(text) * 10)  # an escape has ten characters at most: nothing is cut


def code_parts(text: str) -> list[str]:
    """Printable `text` split at its backticks, so that every second part is code; one part where they do not pair."""
    parts = printable(text).split("`")
    return parts if len(parts) % 2 and "``" not in text else [printable(text)]


def markdown(text: str) -> str:
    """`text` in Markdown, also inside a table; nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#&~])", r"\\\1", printable(text))


def markdown_code(text: str) -> str:
    """`text` as code inside a table; as plain text where it holds what would end the code."""
    if "`" in text or not text.isprintable():
        return markdown(text)
    return "`" + text.replace("|", r"\|") + "`"


def markdown_sentence(text: str) -> str:
    """A sentence with `code`: what stands in single, paired backticks stays as it is, all else is escaped."""
    return "`".join(part if index % 2 else markdown(part) for index, part in enumerate(code_parts(text)))


def latex(text: str) -> str:
    """`text` as a cell of a LaTeX table; what the line break before it would read as its own is kept apart."""
    escaped = "".join(_TEX.get(character, character) for character in printable(text))
    return "{" + escaped + "}" if escaped.startswith(("[", "*")) else escaped


def csv_cell(text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula: one that would be gets an apostrophe before it."""
    plain = printable(text)
    first = unicodedata.normalize("NFKC", plain[:1])  # wide forms are signs, too
    formula = first in ("=", "@") or (first in ("+", "-") and not _NUMBER.match(plain))
    return f"'{plain}" if formula and first else plain


def json_text(text: str) -> str:
    """JSON as it is, but for characters inside its texts that steer or hide, which become escapes of JSON."""
    text = text.replace("##[", r"#\u0023[")
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _json_escape(character) for character in text
    )


def _json_escape(character: str) -> str:
    """A character as JSON writes it in ASCII; one beyond the first plane is two."""
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code - 0x10000 & 0x3FF):04x}"
