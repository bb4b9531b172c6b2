"""The constraints as classes: `mb.constrain(copies, mb.constraints.TraceNorm, lr=1e-3, hold=0.1)`.

Every registered constraint is here under the name of its class; `dir(mb.constraints)` lists them.
"""

from typing import Any

from bench.catalogue.registry import list_entries


def __getattr__(name: str) -> Any:
    """The registered class of this name."""
    classes = {entry.cls.__name__: entry.cls for entry in list_entries("constraint").values()}
    if name not in classes:
        raise AttributeError(f"There is no constraint `{name}`; there are {', '.join(sorted(classes))}.")
    return classes[name]


def __dir__() -> list[str]:
    return sorted(entry.cls.__name__ for entry in list_entries("constraint").values())
