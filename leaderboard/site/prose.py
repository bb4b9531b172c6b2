"""Docstrings as prose for method pages: paragraphs with equations as code, and parameters as a list.

Docstrings write equations as plain text (`w_t = 1 / T`); which words belong to one is guessed from its signs. A wrong
guess changes the font of a word, never the text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from leaderboard.report.escape import code_parts

Parts = list[str]  # of which every second one is code

_OPTION = re.compile(r"([a-z][a-z0-9_]*): (.*)")
# Without one of these a run of short words is prose: `a or b` is no equation.
_SIGN = re.compile(r"[_^|=~{}]|<-|->")  # in equations only
# A word after one of these goes on with the equation, and none ends with one.
_OPERATORS = {"=", "<-", "->", "<", ">", "<=", ">=", "+", "-", "*", "/", ".", "x", "|"}
_FUNCTIONS = {"log", "ln", "tr", "sum", "min", "max", "mean", "exp"}
_NAME = re.compile(r"alpha|beta|gamma|delta|eta|lambda|mu|sigma|tau|xi|Omega|inf|[A-Za-z]|\d[\d./e-]*|\w{1,9}\(\S*")
# Punctuation of the sentence around an equation.
_STOPS = ".,;:"


@dataclass(frozen=True)
class Block:
    """A paragraph, or a list of options with the text of each; the other one is empty."""

    text: Parts = field(default_factory=list)
    options: list[tuple[str, Parts]] = field(default_factory=list)


def split_prose(docstring: str) -> list[Block]:
    """The blocks of a docstring in order, with the lines of each joined."""
    return [block for part in re.split(r"\n\s*\n", docstring.strip("\n")) if part.strip() for block in _blocks(part)]


def _blocks(text: str) -> list[Block]:
    """Split one paragraph into words and the options (`name: text`) at its end."""
    items: list[str] = []
    for line in text.split("\n"):
        if line.startswith("    ") and items:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line.strip())
    count = len(list(takewhile(_OPTION.match, reversed(items))))
    words, options = items[: len(items) - count], [_OPTION.match(item) for item in items[len(items) - count :]]
    # A line that ends without a full stop goes on: the colon below it belongs to the sentence.
    if words and not words[-1].endswith("."):
        words, options = items, []
    blocks = [Block(split_code(" ".join(words)))] if words else []
    return blocks + ([Block(options=[(m[1], split_code(m[2])) for m in options if m])] if options else [])


def split_code(text: str) -> Parts:
    """Split `text` so that every second part is code: what is in backticks, and what reads as an equation."""
    parts = [""]
    for number, part in enumerate(code_parts(text)):
        first, *rest = [part] if number % 2 else _equations(part)
        parts = [*parts, first, *rest] if number % 2 else [*parts[:-1], parts[-1] + first, *rest]
        parts += [""] if number % 2 else []
    return parts


def _equations(text: str) -> Parts:
    """Split prose without backticks so that every second part is an equation."""
    words = text.split(" ")
    parts, at = [""], 0
    while at < len(words):
        end = _end(words, at)
        before, code, after = _strip_marks(" ".join(words[at:end]))
        if not code:
            before, end = words[at], at + 1
        parts[-1] += before
        if code:
            parts += [code, after]
        parts[-1] += " " if end < len(words) else ""
        at = end
    return parts


def _end(words: Sequence[str], at: int) -> int:
    """The index after the last word of the equation that begins at `at`; `at` itself where none does."""
    end, depth, signs = at, 0, False
    while end < len(words) and (depth > 0 or _belongs(words, at, end)):
        word = words[end]
        signs = signs or bool(_SIGN.search(word))
        depth += sum(map(word.count, "([{")) - sum(map(word.count, ")]}"))
        end += 1
        if word[-1:] in set(_STOPS) and word != "." and depth <= 0:
            break
    # Prose has dashes and slashes, too: a trailing operator was not part of the equation.
    while end > at and words[end - 1] in _OPERATORS | _FUNCTIONS:
        end -= 1
    return end if signs and end > at else at


def _belongs(words: Sequence[str], first: int, at: int) -> bool:
    """Whether the word at `at` goes on with the equation that began at `first`."""
    word = words[at]
    bare, after = word.rstrip(_STOPS), words[at + 1] if at + 1 < len(words) else ""
    if at > first and words[at - 1] in _OPERATORS | _FUNCTIONS:
        return True
    return bool(
        word in _OPERATORS | _FUNCTIONS
        or _SIGN.search(word)
        or _NAME.fullmatch(bare)
        or (word.isidentifier() and after in {"=", "<-", "->"})
        or (word.startswith("(") and after in _OPERATORS)
    )


def _strip_marks(text: str) -> tuple[str, str, str]:
    """Split off punctuation and unpaired brackets of the sentence: (before, equation, after)."""
    code = text.rstrip(_STOPS)
    while code.endswith(")") and code.count(")") > code.count("("):
        code = code[:-1]
    after = text[len(code) :]
    opened = 1 if code.startswith("(") and code.count("(") > code.count(")") else 0
    return code[:opened], code[opened:], after
