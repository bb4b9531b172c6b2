"""What a method is, read from the source of its parts without running any of it."""

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

MOST = 1_000_000  # a version beyond is none
PACKAGES = ("bench.sharing", "bench.constraints", "bench.weightings")


@dataclass(frozen=True)
class Card:
    """A part of a method: its name, the paper, the version of its numbers, and its docstring.

    `defaults` maps each option to its default as records have it; None where that is no plain value. `kind` is that of
    a part that comes with the project.
    """

    name: str
    paper: str
    version: int
    text: str
    defaults: Mapping[str, str | None] = field(default_factory=dict)
    kind: str = ""


def cards_of(source: str) -> Iterator[Card]:
    """The classes with a `register` decorator in a Python source. Raises SyntaxError as the compiler would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever wrote it is warned when it is run
        tree = ast.parse(source)
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        for call in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            if isinstance(call, ast.Call) and _is_register(call.func) and isinstance(node, ast.ClassDef):
                given = {word.arg: _constant(word.value) for word in call.keywords}
                name = _constant(call.args[0]) if call.args else given.get("name")
                if isinstance(name, str):
                    version = given.get("version", 1)
                    text = ast.get_docstring(node) or ""
                    number = version if isinstance(version, int) and 0 < version < MOST else 1
                    yield Card(name, str(given.get("paper") or ""), number, text, defaults_of(node, classes, tree))


@cache
def read_built_in_cards() -> dict[str, Card]:
    """name -> card of every sharing, constraint and weighting that comes with the project."""
    found: dict[str, Card] = {}
    for package in PACKAGES:
        spec = find_spec(package)  # imports `bench` only, which is empty
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in sorted(Path(folder).glob("**/*.py")):
                kind = package.removeprefix("bench.").removesuffix("s")
                cards = cards_of(path.read_text(encoding="utf-8"))
                found |= {card.name: replace(card, kind=kind) for card in cards}
    return found


def defaults_of(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], tree: ast.Module) -> dict[str, str | None]:
    """Option -> default of a class, from its constructor or that of the nearest base in `classes`.

    Defaults are literals, names of the module's constants that are, or infinity.
    """
    constants = {
        target.id: statement.value
        for statement in tree.body
        for target in _targets(statement)
        if isinstance(target, ast.Name) and isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value
    }
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop(0)
        seen.add(one.name)
        for item in one.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                pairs = zip(item.args.kwonlyargs, item.args.kw_defaults, strict=True)
                return {argument.arg.rstrip("_"): _literal_text(value, constants) for argument, value in pairs}
        names = [base.id for base in one.bases if isinstance(base, ast.Name)]
        waiting += [classes[name] for name in names if name in classes and name not in seen]
    return {}


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _literal_text(node: ast.expr | None, constants: Mapping[str, ast.expr]) -> str | None:
    """A default as `bench.catalogue.options.write` has it; None where it is no plain value."""
    if isinstance(node, ast.Name) and node.id in constants:
        node = constants[node.id]
    if node is None:
        return None
    if ast.unparse(node) in ("math.inf", "float('inf')", "inf"):
        return "inf"
    try:
        return _text(ast.literal_eval(node))
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "/".join(map(_text, value))
    return repr(value) if isinstance(value, float) else str(value)


def _is_register(function: ast.expr) -> bool:
    return (isinstance(function, ast.Name) and function.id == "register") or (
        isinstance(function, ast.Attribute) and function.attr == "register"
    )


def _constant(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None
