"""The registry of suites, backbones, sharings, constraints and weightings, filled by walking their packages.

Adding one is adding one file, or one package whose `__init__` registers it and whose other modules are its own:
nothing else lists it. A plug-in registers itself in the same way, when its file is loaded
(`bench.catalogue.plugin_files`) or its entry point in the group `mtlbench.plugins` is found.

Look-ups import only what they need: built-in parts first, installed packages for names that are not
built in, and files only where they are given.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Any, TypeVar

from pydantic import ValidationError

from bench.catalogue.options import Option, fill_defaults, options_as_text, read_options
from bench.catalogue.provenance import digest_source
from bench.catalogue.suite_function import make_suite_class
from bench.core.backbone import Backbone
from bench.core.constraint import Constraint
from bench.core.sharing import Sharing
from bench.core.suite import Suite
from bench.core.weighting import Weighting
from bench.errors import UsageError, hint
from bench.records import Call, explain_invalid
from bench.records.grammar import PART_NAME

PACKAGES = {  # kind -> the package in which every module is imported
    "sharing": "bench.sharing",
    "constraint": "bench.constraints",
    "weighting": "bench.weightings",
    "suite": "suites",
    "backbone": "bench.backbones",
}
_BASES = {
    "sharing": Sharing,
    "constraint": Constraint,
    "weighting": Weighting,
    "suite": Suite,
    "backbone": Backbone,
}
_ENTRIES: dict[str, dict[str, "Entry"]] = {kind: {} for kind in _BASES}
_TEXTS: dict[str, bytes] = {}  # module that a plug-in file became -> its text
_LOADING: list[str] = []  # modules of plug-ins that are being imported, the innermost last
C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A registered class.

    kind: sharing, constraint, weighting, suite or backbone.
    name: what users write.
    cls: the class itself.
    version: of its numbers; another version is another run id.
    paper: link to where it was published, or empty.
    title, family: its name for people, and what it is among others of its kind, as `experts and gates`; may be empty.
    """

    kind: str
    name: str
    cls: type
    version: int
    paper: str
    title: str = ""
    family: str = ""
    module: str = ""  # that registered it, where it is not the class's own

    @cached_property
    def options(self) -> dict[str, Option]:
        """Name -> option, from the constructor's signature."""
        return read_options(self.cls, self.name)

    def build(self, *arguments: Any, **values: Any) -> Any:
        """An instance.

        arguments: what the contract passes by position, as a blueprint.
        values: options by the names that users write.
        """
        return self.cls(*arguments, **{self.options[name].parameter: value for name, value in values.items()})

    @property
    def part(self) -> str:
        """Its name in specifications, as `sharing/hard`."""
        return f"{self.kind}/{self.name}"

    @cached_property
    def code(self) -> str | None:
        """SHA-256 of the source of a plug-in, with the user's own modules that it imports; None for built-in parts."""
        return digest_source(self.module or self.cls.__module__, _TEXTS)

    @property
    def summary(self) -> str:
        """The first paragraph of its docstring, on one line."""
        return (inspect.getdoc(self.cls) or "").split("\n\n")[0].replace("\n", " ")


@dataclass(frozen=True)
class Choice:
    """An entry with all its options decided, as name -> value."""

    entry: Entry
    values: dict[str, Any]

    @property
    def canonical(self) -> str:
        """The full text: defaults filled, keys sorted, floats by repr."""
        return str(Call(self.entry.name, self.written))

    @property
    def short(self) -> str:
        """Only what differs from the defaults."""
        return str(Call(self.entry.name, options_as_text(self.entry.options, self.values, short=True)))

    @property
    def written(self) -> dict[str, str]:
        """Every option as text, as in `canonical`."""
        return options_as_text(self.entry.options, self.values)

    def build(self, *arguments: Any) -> Any:
        """An instance. UsageError where the constructor raises ValueError: its options do not fit together."""
        try:
            return self.entry.build(*arguments, **self.values)
        except ValidationError as error:
            raise UsageError(explain_invalid(error)) from error
        except ValueError as error:
            raise UsageError(f"{error}") from error


def register(name: str, *, title: str = "", family: str = "", version: int = 1, paper: str = "") -> Callable[[C], C]:
    """Decorator: make a Suite, Backbone, Sharing, Constraint or Weighting known as `name`.

    Of a class, or of a function `(data_dir=None, *, options)` that returns a suite, as by `Suite.from_loaders`; it is
    called once in a process for each choice of options.

    name: letters, digits and `_`, starting with a letter.
    title: its name for people.
    family: what pages group it under: methods as `experts and gates`, suites as `digits`.
    version: moves whenever the numbers of the class change.
    paper: link to the publication.

    Raises:
        ValueError: the name is taken, or no identifier.
        TypeError: the class is none of the five, or an option has no default or no annotation that can
            be read.
    """

    def add(part: C) -> C:
        cls = part if isinstance(part, type) else make_suite_class(part)
        kind = next((kind for kind, base in _BASES.items() if issubclass(cls, base)), None)
        if kind is None:
            raise TypeError(
                f"`{name}` should be a Suite, Backbone, Sharing, Constraint or Weighting. Found "
                f"{cls.__mro__[1].__name__}."
            )
        if not re.fullmatch(PART_NAME, name):
            raise ValueError(f"A name should be letters, digits and `_`, as `my_method`. Found `{name}`.")
        read_options(cls, name)  # which refuses what no command line can write
        if name in _ENTRIES[kind]:
            raise ValueError(f"The {kind} `{name}` is registered already, by {_ENTRIES[kind][name].cls.__module__}.")
        _ENTRIES[kind][name] = Entry(kind, name, cls, version, paper, title, family, _LOADING[-1] if _LOADING else "")
        return part

    return add


def import_built_ins() -> None:
    """Import the parts of every kind, once: a name taken twice is then the mistake of who comes later."""
    for kind in PACKAGES:
        _walk(kind)


@cache
def _walk(kind: str) -> None:
    """Import every module of a kind's package, once."""
    package = importlib.import_module(PACKAGES[kind])
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not module.name.rpartition(".")[2].startswith("_"):  # as suites._shared, which several suites are made of
            importlib.import_module(module.name)


@cache
def _load_entry_points() -> None:
    """Import all installed plug-ins, once. Raises UsageError that names the one which does not import."""
    import_built_ins()  # first, so that what they import of the project is not taken for theirs
    for point in entry_points(group="mtlbench.plugins"):
        try:
            with note_import(point.module):
                point.load()
        except (Exception, SystemExit) as error:
            raise UsageError(
                f"The installed plug-in `{point.name}` ({point.value}) should import without an error; mend or remove "
                f"its package. Found {type(error).__name__}: {error}."
            ) from error


@contextmanager
def note_import(module: str, text: bytes | None = None) -> Iterator[None]:
    """Note `module` as the one that registers parts inside the block.

    text: its source, where it is made from that and not from its file; `Entry.code` is a digest of it.
    """
    if text is not None:
        _TEXTS[module] = text
    _LOADING.append(module)
    try:
        yield
    finally:
        _LOADING.pop()


def list_registered() -> list[Entry]:
    """All that is registered so far, of every kind; nothing is imported for the answer."""
    return [entry for names in _ENTRIES.values() for entry in names.values()]


def list_entries(kind: str) -> dict[str, Entry]:
    """name -> entry of all that is known of `kind`, built-in and plugged in, sorted by name.

    Raises UsageError where an installed plug-in does not import.
    """
    _walk(kind)
    _load_entry_points()
    return dict(sorted(_ENTRIES[kind].items()))


def is_registered(kind: str, name: str) -> bool:
    """Whether a part is built in, or was plugged in by a file; installed plug-ins are not imported for the answer."""
    _walk(kind)
    return name in _ENTRIES[kind]


def find_kinds(name: str) -> list[str]:
    """Kinds of the parts that are called `name`, as `is_registered` finds them."""
    return [kind for kind in PACKAGES if is_registered(kind, name)]


def find_entry(kind: str, name: str, further: Collection[str] = ()) -> Entry:
    """One entry. Raises UsageError with the nearest names, `further` ones among them, or the kind it belongs to.

    Installed plug-ins are imported only for a name that is neither built in nor in a file: their
    import may change global state, which should not happen to runs that do not use them.
    """
    _walk(kind)
    if name not in _ENTRIES[kind] and name not in (known := list_entries(kind)):
        others = [other for other in PACKAGES if name in list_entries(other)]
        instead = f"it is a {others[0]}" if others else hint(name, {*known, *further})
        raise UsageError(f"There is no {kind} `{name}`; {instead}.")
    return _ENTRIES[kind][name]


def confirm_code(code: Mapping[str, str]) -> None:
    """Check that parts have the same source here as where the run was planned.

    code: part, as `sharing/mine` -> SHA-256 of its source, as a specification has it.

    Raises RuntimeError for the first one that differs.
    """
    for part, wanted in code.items():
        kind, _, name = part.partition("/")
        if find_entry(kind, name).code != wanted:
            raise RuntimeError(
                f"`{name}` should have the source that the run was planned with, found another; the same command again "
                "plans anew"
            )


def choose(kind: str, call: Call, further: Collection[str] = ()) -> Choice:
    """The entry that a call names, with its options.

    kind: sharing, constraint, weighting, suite or backbone.
    call: name and options as text.
    further: names that a sentence may propose, beside those that are registered.

    Raises UsageError with the nearest valid names or keys.
    """
    entry = find_entry(kind, call.name, further)
    return Choice(entry, fill_defaults(call.name, entry.options, call.options))
