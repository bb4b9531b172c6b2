"""Reads what the parts of a method are (name, paper, docstring, defaults) from their source, without running it.

The syntax tree is enough: parts are classes with a `register` decorator, and defaults are literals. So the site and
the checks of submissions work without torch, and submitted code cannot act while it is read. What only running could
tell, as a computed default, is reported as unknown.
"""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Versions count up by one: a larger number is a mistake.
MAX_VERSION = 1_000_000
PACKAGES = ("bench.sharing", "bench.constraints", "bench.weightings")


@dataclass(frozen=True)
class Card:
    """One registered part or suite: its name, paper, version of its numbers, docstring, title and family for people.

    `defaults` maps each option to the text of its default as records spell it, or to None where it is no literal.
    `kind` is `sharing`, `constraint` or `weighting` for a built-in part; a submitted source does not reveal it, and it
    is empty.
    """

    name: str
    paper: str
    version: int
    text: str
    defaults: Mapping[str, str | None] = field(default_factory=dict)
    kind: str = ""
    title: str = ""
    family: str = ""

    @property
    def year(self) -> str:
        """The year of its paper, the first that is written there; empty where there is none."""
        found = re.search(r"\b(?:19|20)\d\d\b", self.paper)
        return found[0] if found else ""


def parse_cards(source: str) -> Iterator[Card]:
    """Read the cards of all classes with a `register` decorator in a Python source, nested classes too.

    A keyword of the decorator that is no literal counts as not given; a version outside [1, MAX_VERSION) counts as 1.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: what `ast.parse` raises for a source that is no Python or
            too deeply nested.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever wrote it is warned when it is run
        tree = ast.parse(source)
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        for call in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            if isinstance(call, ast.Call) and _is_register(call.func) and isinstance(node, ast.ClassDef):
                given = {word.arg: _read_constant(word.value) for word in call.keywords}
                name = _read_constant(call.args[0]) if call.args else given.get("name")
                if isinstance(name, str):
                    version = given.get("version", 1)
                    text = ast.get_docstring(node) or ""
                    number = version if isinstance(version, int) and 0 < version < MAX_VERSION else 1
                    told = {key: str(given.get(key) or "") for key in ("title", "family")}
                    defaults = read_defaults(node, classes, tree)
                    yield Card(name, str(given.get("paper") or ""), number, text, defaults, **told)


@cache
def read_suite_cards() -> dict[str, Card]:
    """name -> card of every suite that comes with the project; read once per process."""
    spec = find_spec("suites")  # which imports nothing
    folders = spec.submodule_search_locations or () if spec else ()
    paths = (path for folder in folders for path in sorted(Path(folder).glob("[a-z]*/**/*.py")))
    cards = (card for path in paths for card in parse_cards(path.read_text(encoding="utf-8")))
    return {card.name: replace(card, kind="suite") for card in cards}


@cache
def read_built_in_cards() -> dict[str, Card]:
    """name -> card of every sharing, constraint and weighting that comes with the project; read once per process."""
    built_in: dict[str, Card] = {}
    for package in PACKAGES:
        spec = find_spec(package)  # imports `bench` only, which is empty
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in sorted(Path(folder).glob("**/*.py")):
                kind = package.removeprefix("bench.").removesuffix("s")
                cards = parse_cards(path.read_text(encoding="utf-8"))
                built_in |= {card.name: replace(card, kind=kind) for card in cards}
    return built_in


def read_defaults(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], tree: ast.Module) -> dict[str, str | None]:
    """Option -> text of its default, from the constructor of a class or else of its nearest base in `classes`.

    Options are the keyword-only parameters of `__init__`. Bases are searched breadth first, by name, inside the one
    source.

    Args:
        node: the class.
        classes: name -> class of the same source, in which bases are looked up.
        tree: the module, whose constants a default may name.

    Returns:
        None for a default that is no literal, no constant of the module that is one, and not infinity.
    """
    constants = {
        target.id: statement.value
        for statement in tree.body
        for target in _list_targets(statement)
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
                # `lambda_` in Python is `lambda` in a method's text.
                return {argument.arg.rstrip("_"): _write_literal(value, constants) for argument, value in pairs}
        # `seen` ends the search where classes of a hostile source inherit in a circle.
        names = [base.id for base in one.bases if isinstance(base, ast.Name)]
        waiting += [classes[name] for name in names if name in classes and name not in seen]
    return {}


def _list_targets(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to; nothing for one that assigns nothing."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _write_literal(node: ast.expr | None, constants: Mapping[str, ast.expr]) -> str | None:
    """A default as `bench.catalogue.options.write` spells it, or None where its value is not known."""
    if isinstance(node, ast.Name) and node.id in constants:
        node = constants[node.id]
    if node is None:
        return None
    # Infinity has no literal in Python, and half-lives have it as a default.
    if ast.unparse(node) in ("math.inf", "float('inf')", "inf"):
        return "inf"
    try:
        return _write_value(ast.literal_eval(node))
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None


def _write_value(value: object) -> str:
    """A value as `bench.catalogue.options.write` spells it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "/".join(map(_write_value, value))
    return repr(value) if isinstance(value, float) else str(value)


def _is_register(function: ast.expr) -> bool:
    """Whether a decorator is `register` or an attribute of that name, as `api.register`."""
    return (isinstance(function, ast.Name) and function.id == "register") or (
        isinstance(function, ast.Attribute) and function.attr == "register"
    )


def _read_constant(node: ast.expr) -> object:
    """The value of a literal; None for any other expression."""
    return node.value if isinstance(node, ast.Constant) else None
