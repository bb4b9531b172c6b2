"""A page with every sharing, constraint and weighting, from their docstrings: what it is, equations, options, paper."""

import inspect
import re

from bench.catalogue.registry import Entry, list_entries
from documentation.equations import translate_equation
from leaderboard.report.escape import markdown, markdown_code
from leaderboard.site.prose import split_prose

KINDS = {
    "sharing": ("Sharings", "Who owns which parameters."),
    "constraint": ("Constraints", "What holds the copies of a parameter together, as in `soft+l2`."),
    "weighting": ("Weightings", "How T losses become one step, as in `hard@pcgrad`."),
}
OPENING = """# Sharings, constraints, weightings

![Separate, soft, stitched, experts, hard: who owns which parameters](pictures/sharing.svg)

Every part of a method, from the docstring of its file: the equation, its options with their ranges, and the paper.
[Concepts](concepts.md) says how parts make a method, [methods](methods.md) where a form is not its paper's.
"""
# What a symbol of an equation has and the name of an option has not.
_SYMBOLS = re.compile(r"[=^|<>{}+]|_\w\b|/")


def write_parts_page() -> str:
    """The page in Markdown, parts in the order of their names."""
    parts = [OPENING]
    for kind, (title, text) in KINDS.items():
        parts.append(f"\n## {title}\n\n{text}\n")
        parts += [_write_part(entry) for _, entry in sorted(list_entries(kind).items())]
    return "".join(parts)


def _write_part(entry: Entry) -> str:
    """One part: its paper, its docstring, its options."""
    lines = [f"\n### {markdown(entry.name)}\n"]
    if entry.paper:
        lines.append(f"\n*{markdown(entry.paper)}*\n")
    for block in split_prose(_read_docstring(entry.cls)):
        if block.text:
            lines.append(f"\n{_join_parts(block.text)}\n")
        if block.options:
            lines.append("\n")
            lines += [f"- `{name}`: {_join_parts(text)}\n" for name, text in block.options]
    return "".join(lines)


def _read_docstring(part: type) -> str:
    """The docstring of a class, without its indentation."""
    return inspect.getdoc(part) or ""


def _join_parts(parts: list[str]) -> str:
    """Prose and code by turns as Markdown; code that reads as an equation is one."""
    return "".join(_write_code(part) if number % 2 else markdown(part) for number, part in enumerate(parts))


def _write_code(text: str) -> str:
    """A piece of code: between dollars where it is an equation, between backticks where it is not."""
    if _SYMBOLS.search(text) and not re.search(r"[a-z]{3}_[a-z]{2}|\w=\w|\w{3}\+\w|^[.+]", text):
        try:
            return f"${translate_equation(text)}$"
        except ValueError:
            pass
    return markdown_code(text)
