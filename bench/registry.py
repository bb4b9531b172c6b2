"""Finds suites, sharings, constraints and weightings by walking their packages.

Adding one is adding one file: nothing else lists it. A plug-in registers itself in the same way, when
its file is loaded or its entry point in the group `mtlbench.plugins` is found.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bench.core.constraint import Constraint
from bench.core.sharing import Sharing
from bench.core.suite import Suite
from bench.core.weighting import Weighting
from bench.errors import UsageError, hint, shown
from bench.records import Call, explain_invalid
from bench.records.grammar import PART_NAME
from bench.schema import Option, fill, options_of, written
from bench.source_text import decode_source

PACKAGES = {
    "sharing": "bench.sharing",
    "constraint": "bench.constraints",
    "weighting": "bench.weightings",
    "suite": "suites",
}
_BASES = {"sharing": Sharing, "constraint": Constraint, "weighting": Weighting, "suite": Suite}
PLUGIN = "mtlbench_plugin_"  # before the name of the module that a plug-in file becomes
_ENTRIES: dict[str, dict[str, "Entry"]] = {kind: {} for kind in _BASES}
C = TypeVar("C", bound=type)


@dataclass(frozen=True)
class Entry:
    """A registered class: what it is called, which version its numbers have, where it was published."""

    kind: str
    name: str
    cls: type
    version: int
    paper: str

    @cached_property
    def options(self) -> dict[str, Option]:
        """Its options, from the constructor's signature."""
        return options_of(self.cls, self.name)

    def build(self, *arguments: Any, **values: Any) -> Any:
        """An instance with options by the names that users write."""
        return self.cls(*arguments, **{self.options[name].parameter: value for name, value in values.items()})

    @property
    def file(self) -> Path | None:
        """The plug-in file that it came from; None for what is found without one."""
        name = self.cls.__module__
        return Path(str(sys.modules[name].__file__)) if name.startswith(PLUGIN) else None

    @property
    def importable(self) -> bool:
        """Whether another process finds the class by its module's name: not in a plug-in file."""
        return self.file is None

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        return (inspect.getdoc(self.cls) or "").split("\n\n")[0].replace("\n", " ")


@dataclass(frozen=True)
class Choice:
    """An entry with all its options decided."""

    entry: Entry
    values: dict[str, Any]

    @property
    def canonical(self) -> str:
        """Defaults filled, keys sorted, floats by repr."""
        return str(Call(self.entry.name, self.written))

    @property
    def short(self) -> str:
        """Only what differs from the defaults."""
        return str(Call(self.entry.name, written(self.entry.options, self.values, short=True)))

    @property
    def written(self) -> dict[str, str]:
        """Every option as text, as in `canonical`."""
        return written(self.entry.options, self.values)

    def build(self, *arguments: Any) -> Any:
        """An instance. A ValueError from the constructor is the user's to mend."""
        try:
            return self.entry.build(*arguments, **self.values)
        except ValidationError as error:
            raise UsageError(explain_invalid(error)) from error
        except ValueError as error:
            raise UsageError(f"{error}") from error


def register(name: str, *, version: int = 1, paper: str = "") -> Callable[[C], C]:
    """Class decorator: make a Suite, Sharing, Constraint or Weighting known as `name`.

    `version` moves whenever the numbers of the class change. Raises ValueError where the name is taken,
    TypeError where the class is none of the four, or an option has no default or no annotation that can be read.
    """

    def add(cls: C) -> C:
        kind = next((kind for kind, base in _BASES.items() if issubclass(cls, base)), None)
        if kind is None:
            raise TypeError(
                f"`{name}` should be a Suite, Sharing, Constraint or Weighting. Found {cls.__mro__[1].__name__}."
            )
        if not re.fullmatch(PART_NAME, name):
            raise ValueError(f"A name should be letters, digits and `_`, as `my_method`. Found `{name}`.")
        options_of(cls, name)  # which refuses what no command line can write
        if name in _ENTRIES[kind]:
            raise ValueError(f"The {kind} `{name}` is registered already, by {_ENTRIES[kind][name].cls.__module__}.")
        _ENTRIES[kind][name] = Entry(kind, name, cls, version, paper)
        return cls

    return add


@cache
def _walk(kind: str) -> None:
    package = importlib.import_module(PACKAGES[kind])
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


@cache
def _load_entry_points() -> None:
    for point in entry_points(group="mtlbench.plugins"):
        point.load()


def load_plugin(path: Path) -> list[tuple[str, str]]:
    """Import one Python file, once; returns the (kind, name) pairs it registered."""
    if not path.is_file():
        raise UsageError(f"A plug-in should be a Python file. Found nothing at `{path}`.")
    return _load_file(path.resolve())


@cache
def _load_file(path: Path) -> list[tuple[str, str]]:
    try:
        decode_source(path.read_bytes())
    except (OSError, ValueError) as error:
        reasons = "; ".join(str(error).split("\n"))
        raise UsageError(f"`{shown(path.name)}` should be plain Python text: {reasons}.") from error
    for kind in PACKAGES:  # first, so that a name taken twice is the plug-in's mistake
        _walk(kind)
    before = {(kind, name) for kind, names in _ENTRIES.items() for name in names}
    name = f"{PLUGIN}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"A plug-in should be a Python file. Found `{path}`.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if frame.filename == str(path)), None)
        where = f" ({path.name}, line {last.lineno})" if last else ""  # none: an error of syntax, which names its own
        text = (explain_invalid(error) if isinstance(error, ValidationError) else f"{error}").rstrip(".")
        raise UsageError(
            f"`{path.name}` should import without an error. Found {type(error).__name__}: {text}{where}."
        ) from error
    return sorted({(kind, name) for kind, names in _ENTRIES.items() for name in names} - before)


def entries(kind: str) -> dict[str, Entry]:
    """name -> entry of all that is known of `kind`, built-in and plugged in, sorted by name."""
    _walk(kind)
    _load_entry_points()
    return dict(sorted(_ENTRIES[kind].items()))


def choose(kind: str, call: Call) -> Choice:
    """The entry a call names, with its options. Raises UsageError with the nearest valid names or keys."""
    known = entries(kind)
    if call.name not in known:
        others = [other for other in PACKAGES if call.name in entries(other)]
        instead = f"it is a {others[0]}" if others else hint(call.name, known)
        raise UsageError(f"There is no {kind} `{call.name}`; {instead}.")
    entry = known[call.name]
    return Choice(entry, fill(call.name, entry.options, call.options))
