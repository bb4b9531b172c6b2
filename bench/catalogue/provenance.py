"""Where a part that does not come with the project comes from: a digest that moves with every text it is made of."""

import hashlib
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from bench.records import digest

PROJECT = ("bench", "suites", "leaderboard")


def source_digest(name: str, texts: dict[str, bytes]) -> str | None:
    """SHA-256 of the source of the module `name`; None where it is one of the project's.

    A module in a package, or one that imports modules of the user's own, is hashed together with them: an edit there
    is an edit of the part. What was installed is told apart by its version, and is left out. `texts` has the sources
    of modules that were made from a text and not from their file.
    """
    first = sys.modules[name]
    if _top(first) in PROJECT:
        return None
    found, waiting = {name: _text(first, texts)}, [first]
    while waiting:
        for other in _imported(waiting.pop()):
            own = _top(other) == _top(first) or not (_top(other) in PROJECT or _installed(other))
            if own and other.__name__ not in found:
                found[other.__name__] = _text(other, texts)
                waiting.append(other)
    sums = {other: hashlib.sha256(text).hexdigest() for other, text in found.items() if other != name}
    sum_of_first = hashlib.sha256(found[name]).hexdigest()  # by itself, as `sha256sum` prints it
    return digest([sum_of_first, sums]) if sums else sum_of_first


def _imported(module: ModuleType) -> list[ModuleType]:
    """The modules that the names in a module come from."""
    names = set()
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        names |= {name} if isinstance(name, str) else set()
    return [sys.modules[name] for name in sorted(names) if name in sys.modules]


def _text(module: ModuleType, texts: dict[str, bytes]) -> bytes:
    """The source of a module; nothing where there is none, as in a console."""
    file = Path(getattr(module, "__file__", None) or "")
    return texts.get(module.__name__) or (file.read_bytes() if file.is_file() else b"")


def _top(module: ModuleType) -> str:
    return module.__name__.partition(".")[0]


def _installed(module: ModuleType) -> bool:
    """Whether a module comes with Python or was installed."""
    file = getattr(module, "__file__", None)
    folders = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    return file is None or any(Path(file).is_relative_to(folder) for folder in folders)
