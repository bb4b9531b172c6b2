"""What a method is, read from the source of its parts without running any of it."""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

MOST = 1_000_000  # a version beyond is none
PACKAGES = ("bench.sharing", "bench.constraints", "bench.weightings")


@dataclass(frozen=True)
class Card:
    """A part of a method: its name, the paper, the version of its numbers, and its docstring."""

    name: str
    paper: str
    version: int
    text: str


def cards_of(source: str) -> Iterator[Card]:
    """The classes with a `register` decorator in a Python source. Raises SyntaxError as the compiler would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever wrote it is warned when it is run
        tree = ast.parse(source)
    for node in ast.walk(tree):
        for call in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            if isinstance(call, ast.Call) and _is_register(call.func) and isinstance(node, ast.ClassDef):
                given = {word.arg: _constant(word.value) for word in call.keywords}
                name = _constant(call.args[0]) if call.args else given.get("name")
                if isinstance(name, str):
                    version = given.get("version", 1)
                    text = ast.get_docstring(node) or ""
                    number = version if isinstance(version, int) and 0 < version < MOST else 1
                    yield Card(name, str(given.get("paper") or ""), number, text)


@cache
def built_in() -> dict[str, Card]:
    """name -> card of every sharing, constraint and weighting that comes with the project."""
    found: dict[str, Card] = {}
    for package in PACKAGES:
        spec = find_spec(package)  # imports `bench` only, which is empty
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in sorted(Path(folder).glob("**/*.py")):
                found |= {card.name: card for card in cards_of(path.read_text(encoding="utf-8"))}
    return found


def _is_register(function: ast.expr) -> bool:
    return (isinstance(function, ast.Name) and function.id == "register") or (
        isinstance(function, ast.Attribute) and function.attr == "register"
    )


def _constant(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None
