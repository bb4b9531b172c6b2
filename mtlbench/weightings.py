"""The weightings as classes: `mb.weightings.PCGrad(["a", "b"])`, with the options that docs/methods.md lists.

    pcgrad = mb.weightings.PCGrad(["depth", "normals"])
    mb.weighted_backward(pcgrad, {"depth": a, "normals": b}, model.parameters())

Every registered weighting is here under the name of its class; `dir(mb.weightings)` lists them.
"""

from typing import Any

from bench.catalogue.registry import list_entries


def __getattr__(name: str) -> Any:
    """The registered class of this name."""
    classes = {entry.cls.__name__: entry.cls for entry in list_entries("weighting").values()}
    if name not in classes:
        raise AttributeError(f"There is no weighting `{name}`; there are {', '.join(sorted(classes))}.")
    return classes[name]


def __dir__() -> list[str]:
    return sorted(entry.cls.__name__ for entry in list_entries("weighting").values())
