"""Escaping of foreign text, so that it is never markup, a spreadsheet formula or a command to a terminal.

Everything that comes from a file or a record goes through one of these functions before it is part of a document.
Each is for one kind of document; escaping twice would show the escapes. HTML is not here: the templates of the site
escape every value themselves.
"""

import re
import unicodedata
from functools import lru_cache

from bench.errors import make_printable

# Characters that LaTeX reads as commands, and the few beyond ASCII that tables use and older engines lack.
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
# A signed number begins like a formula, but is data: spreadsheets read it as what it is.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


@lru_cache(maxsize=20_000)  # pages repeat names of tasks, settings and versions thousands of times
def printable(text: str) -> str:
    """`text`, uncut, with control characters escaped, so that a name cannot steer a terminal or break a line."""
    return make_printable(text, len(text) * 10)  # an escape has ten characters at most: nothing is cut


def code_parts(text: str) -> list[str]:
    """Split `text` at its backticks, so that every second part is code.

    Where backticks do not pair, or two follow each other, all of the text is one part of prose: a guess could turn what
    somebody wrote into code that hides the rest. Every part is printable.
    """
    parts = printable(text).split("`")
    return parts if len(parts) % 2 and "``" not in text else [printable(text)]


def markdown(text: str) -> str:
    """`text` as plain Markdown, also inside a table cell; no character of it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#&~])", r"\\\1", printable(text))


def markdown_code(text: str) -> str:
    """`text` as a code span that is safe inside a table cell.

    Falls back to `markdown` where the text has a backtick, which would end the span, or an unprintable character.
    """
    if "`" in text or not text.isprintable():
        return markdown(text)
    return "`" + text.replace("|", r"\|") + "`"


def markdown_sentence(text: str) -> str:
    """A sentence of prose and `code`: paired single backticks stay code, everything else is escaped."""
    return "`".join(part if index % 2 else markdown(part) for index, part in enumerate(code_parts(text)))


def latex(text: str) -> str:
    r"""`text` as a cell of a LaTeX table.

    A cell that starts with `[` or `*` is put in braces: after the `\\` of the line above, LaTeX would read it as the
    optional argument or the star of that line break.
    """
    escaped = "".join(_TEX.get(character, character) for character in printable(text))
    return "{" + escaped + "}" if escaped.startswith(("[", "*")) else escaped


def csv_cell(text: str) -> str:
    """`text` as a cell that no spreadsheet runs as a formula: an apostrophe goes before `=`, `@`, `+` or `-`.

    Numbers with a sign are left as they are.
    """
    plain = printable(text)
    # Some spreadsheets fold full-width characters, so that a wide equals sign starts a formula as well.
    first = unicodedata.normalize("NFKC", plain[:1])
    formula = first in ("=", "@") or (first in ("+", "-") and not _NUMBER.match(plain))
    return f"'{plain}" if formula and first else plain


def json_text(text: str) -> str:
    """Valid JSON with the invisible characters of its strings escaped; equal when parsed.

    `##[` is escaped as well, since a log of continuous integration reads it as a command.
    """
    text = text.replace("##[", r"#\u0023[")
    # The common case, and tables can be long: nothing to escape.
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _json_escape(character) for character in text
    )


def _json_escape(character: str) -> str:
    r"""One character as JSON writes it in ASCII: `\\u` and four hex digits, a surrogate pair above U+FFFF."""
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code - 0x10000 & 0x3FF):04x}"
