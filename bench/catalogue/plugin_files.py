"""Plug-in files: Python files of a user's own that register parts, each imported once in a process.

What is imported is the text that was read, also in other processes and on other machines, where the file may by now be
another one.
"""

import base64
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.catalogue.registry import Entry, import_built_ins, list_registered, note_import
from bench.catalogue.source_text import decode_source
from bench.errors import UsageError, make_printable
from bench.records import explain_invalid

PLUGIN = "mtlbench_plugin_"  # before the name of the module that a plug-in file becomes
_LOADED: dict[Path, "Plugin"] = {}  # resolved path -> what was read there first; a file is never read twice


@dataclass(frozen=True)
class Plugin:
    """A plug-in file: where it was read, its text, and the parts that it registers, as `sharing/mine`.

    It pickles, and `load` makes its parts known in another process too, from the text that was read
    here: the file may have been edited meanwhile, or be on another machine.
    """

    path: Path
    content: bytes
    parts: tuple[str, ...]

    def load(self) -> None:
        """Import the text, once in a process."""
        _load_text(self.path, self.content)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values, for a process that is handed no Python objects."""
        return {"path": str(self.path), "content": base64.b64encode(self.content).decode(), "parts": list(self.parts)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Plugin":
        """The plug-in that `as_json` described."""
        return cls(Path(content["path"]), base64.b64decode(content["content"]), tuple(content["parts"]))


def read_plugin(path: Path) -> Plugin:
    """Read and import one Python file; the same path again gives what was read first.

    Raises:
        UsageError: the path is no Python file, its text is not what it looks like, or its import fails. One
            sentence, with the line.
    """
    given, path = path, path.resolve()
    if path.is_dir():
        raise UsageError(
            f"A plug-in should be a Python file, `NAME.py`. Found the folder `{make_printable(str(given))}`; install "
            "it as a package that names itself under the entry point group `mtlbench.plugins`."
        )
    if not path.is_file():
        raise UsageError(f"A plug-in should be a Python file. Found nothing at `{make_printable(str(given))}`.")
    if path.suffix != ".py":
        raise UsageError(f"A plug-in should be a Python file, `NAME.py`. Found `{make_printable(str(given))}`.")
    return _LOADED.get(path) or _load_text(path, path.read_bytes())


def load_plugin(path: Path) -> list[tuple[str, str]]:
    """Import one Python file as `read_plugin` does; the (kind, name) pairs that it registered."""
    pairs = [part.split("/", 1) for part in read_plugin(path).parts]
    return [(kind, name) for kind, name in pairs]


def find_plugin(entry: Entry) -> Plugin | None:
    """The plug-in file that registered an entry; None for built-in and installed parts."""
    return next((plugin for plugin in _LOADED.values() if entry.part in plugin.parts), None)


def _load_text(path: Path, content: bytes) -> Plugin:
    """Import a text as if it were the file at `path`, which may by now be another one, or on another machine."""
    if path in _LOADED:
        return _LOADED[path]
    try:
        decode_source(content)
    except ValueError as error:
        reasons = "; ".join(str(error).split("\n"))
        raise UsageError(f"`{make_printable(path.name)}` should be plain Python text: {reasons}.") from error
    import_built_ins()  # first, so that a name taken twice is the plug-in's mistake
    known = list_registered()
    name = f"{PLUGIN}{path.stem}"
    while any(entry.module == name for entry in known):  # of another file that is called the same
        name += "_"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Not by the loader, which takes a compiled text of the same second and size for that of the file.
        with note_import(name, content):
            exec(loader.source_to_code(content, str(path)), module.__dict__)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if frame.filename == str(path)), None)
        where = f" ({path.name}, line {last.lineno})" if last else ""  # none: an error of syntax, which names its own
        text = (explain_invalid(error) if isinstance(error, ValidationError) else f"{error}").rstrip(".")
        raise UsageError(
            f"`{path.name}` should import without an error. Found {type(error).__name__}: {text}{where}."
        ) from error
    fresh = [entry for entry in list_registered() if entry not in known]
    for entry in fresh:
        assert entry.code is not None  # found out now, before its modules import more
    _LOADED[path] = Plugin(path, content, tuple(sorted(entry.part for entry in fresh)))
    return _LOADED[path]
