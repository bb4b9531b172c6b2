"""Docstrings as people read them: paragraphs with equations as code, and options as a list."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from leaderboard.report.escape import code_parts

Parts = list[str]  # of which every second one is code

_OPTION = re.compile(r"([a-z][a-z0-9_]*): (.*)")
_SIGN = re.compile(r"[_^|=~{}]|<-|->")  # what only equations have
_OPERATORS = {"=", "<-", "->", "<", ">", "<=", ">=", "+", "-", "*", "/", ".", "x", "|"}
_FUNCTIONS = {"log", "ln", "tr", "sum", "min", "max", "mean", "exp"}
_NAME = re.compile(r"alpha|beta|gamma|delta|eta|lambda|mu|sigma|tau|xi|Omega|inf|[A-Za-z]|\d[\d./e-]*|\w{1,9}\(\S*")
_STOPS = ".,;:"


@dataclass(frozen=True)
class Block:
    """A paragraph, or a list of options with the text of each."""

    text: Parts = field(default_factory=list)
    options: list[tuple[str, Parts]] = field(default_factory=list)


def split_prose(docstring: str) -> list[Block]:
    """The blocks of a docstring, lines joined."""
    return [block for part in re.split(r"\n\s*\n", docstring.strip("\n")) if part.strip() for block in _blocks(part)]


def _blocks(text: str) -> list[Block]:
    """A paragraph, or options, or one and then the other."""
    items: list[str] = []
    for line in text.split("\n"):
        if line.startswith("    ") and items:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line.strip())
    count = len(list(takewhile(_OPTION.match, reversed(items))))
    words, options = items[: len(items) - count], [_OPTION.match(item) for item in items[len(items) - count :]]
    if words and not words[-1].endswith("."):  # the colon is one of a sentence that goes on
        words, options = items, []
    found = [Block(split_code(" ".join(words)))] if words else []
    return found + ([Block(options=[(m[1], split_code(m[2])) for m in options if m])] if options else [])


def split_code(text: str) -> Parts:
    """`text` split so that every second part is code: what stands in backticks, and what reads as an equation."""
    found = [""]
    for number, part in enumerate(code_parts(text)):
        first, *rest = [part] if number % 2 else _equations(part)
        found = [*found, first, *rest] if number % 2 else [*found[:-1], found[-1] + first, *rest]
        found += [""] if number % 2 else []
    return found


def _equations(text: str) -> Parts:
    """Prose and the equations in it, in turns."""
    words = text.split(" ")
    found, at = [""], 0
    while at < len(words):
        end = _end(words, at)
        before, code, after = _strip_marks(" ".join(words[at:end]))
        if not code:
            before, end = words[at], at + 1
        found[-1] += before
        if code:
            found += [code, after]
        found[-1] += " " if end < len(words) else ""
        at = end
    return found


def _end(words: Sequence[str], at: int) -> int:
    """Where the equation that begins at a word ends; `at` where none does."""
    end, depth, signs = at, 0, False
    while end < len(words) and (depth > 0 or _belongs(words, at, end)):
        word = words[end]
        signs = signs or bool(_SIGN.search(word))
        depth += sum(map(word.count, "([{")) - sum(map(word.count, ")]}"))
        end += 1
        if word[-1:] in set(_STOPS) and word != "." and depth <= 0:
            break
    while end > at and words[end - 1] in _OPERATORS | _FUNCTIONS:
        end -= 1
    return end if signs and end > at else at


def _belongs(words: Sequence[str], first: int, at: int) -> bool:
    """Whether a word is part of the equation that began at `first`."""
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
    """What the sentence puts before an equation, the equation, and what it puts after: marks, half of its brackets."""
    code = text.rstrip(_STOPS)
    while code.endswith(")") and code.count(")") > code.count("("):
        code = code[:-1]
    after = text[len(code) :]
    opened = 1 if code.startswith("(") and code.count("(") > code.count(")") else 0
    return code[:opened], code[opened:], after
