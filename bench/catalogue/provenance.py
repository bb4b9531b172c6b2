"""The provenance of plug-ins: a digest that moves with every text that a part is made of.

It is part of the run ids of plug-ins, and compared wherever a run is planned in one process and trained in another.
"""

import hashlib
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from bench.records import digest

PROJECT = ("bench", "suites", "leaderboard")


def digest_source(name: str, texts: dict[str, bytes]) -> str | None:
    """SHA-256 of the source of the module `name`; None where it is one of the project's.

    A module in a package, or one that imports modules of the user's own, is hashed together with them: an edit there
    is an edit of the part. Installed packages are left out, since their versions tell them apart.

    name: of a module that was imported.
    texts: module -> source, of those that were made from a text and not from their file.
    """
    first = sys.modules[name]
    if _top(first) in PROJECT:
        return None
    sources, waiting = {name: _read_source(first, texts)}, [first]
    while waiting:
        for other in _list_imported(waiting.pop()):
            own = _top(other) == _top(first) or not (_top(other) in PROJECT or _is_installed(other))
            if own and other.__name__ not in sources:
                sources[other.__name__] = _read_source(other, texts)
                waiting.append(other)
    sums = {other: hashlib.sha256(text).hexdigest() for other, text in sources.items() if other != name}
    sum_of_first = hashlib.sha256(sources[name]).hexdigest()  # by itself, as `sha256sum` prints it
    return digest([sum_of_first, sums]) if sums else sum_of_first


def _list_imported(module: ModuleType) -> list[ModuleType]:
    """The modules that the objects in a module come from, so that `from helpers import scale` counts too."""
    names = set()
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        names |= {name} if isinstance(name, str) else set()
    return [sys.modules[name] for name in sorted(names) if name in sys.modules]


def _read_source(module: ModuleType, texts: dict[str, bytes]) -> bytes:
    """The source of a module as bytes; empty where there is none, as in a console."""
    file = Path(getattr(module, "__file__", None) or "")
    return texts.get(module.__name__) or (file.read_bytes() if file.is_file() else b"")


def _top(module: ModuleType) -> str:
    """The first name of a module's path: its package, or itself."""
    return module.__name__.partition(".")[0]


def _is_installed(module: ModuleType) -> bool:
    """Whether a module comes with Python or was installed."""
    file = getattr(module, "__file__", None)
    folders = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    return file is None or any(Path(file).is_relative_to(folder) for folder in folders)
