"""mtlbench as a library: `import mtlbench as mb`.

Everything documented is an attribute of this package, and nothing is imported before it is asked for: the import itself
takes milliseconds, results are read without torch, and torch is loaded where a model is. What each name does is in
docs/python.md; the modules behind them may move, the names here do not.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `_HOMES` says, for type checkers and editors
    from bench.loop.effective_sharing import effective_sharing as effective_sharing
    from bench.loop.pieces import constrain as constrain
    from bench.loop.pieces import weighted_backward as weighted_backward
    from bench.loop.share import share as share
    from bench.toolbox.cut import cut as cut
    from bench.toolbox.cut_encoder import cut_encoder as cut_encoder
    from bench.toolbox.named_inputs import read_named_inputs as read_named_inputs
    from mtlbench import constraints as constraints
    from mtlbench import lightning as lightning
    from mtlbench import statistics as statistics
    from mtlbench import weightings as weightings
    from mtlbench._comparison import compare as compare
    from mtlbench._figures import plot as plot
    from mtlbench._results import load_results as load_results
    from mtlbench._runs import run as run
    from mtlbench._tables import table as table

    __version__: str

# Name -> the module that it lives in; a public module of this package is a name of its own.
_HOMES = {
    "compare": "mtlbench._comparison",
    "constrain": "bench.loop.pieces",
    "constraints": "mtlbench.constraints",
    "cut": "bench.toolbox.cut",
    "cut_encoder": "bench.toolbox.cut_encoder",
    "effective_sharing": "bench.loop.effective_sharing",
    "lightning": "mtlbench.lightning",
    "load_results": "mtlbench._results",
    "plot": "mtlbench._figures",
    "read_named_inputs": "bench.toolbox.named_inputs",
    "run": "mtlbench._runs",
    "share": "bench.loop.share",
    "statistics": "mtlbench.statistics",
    "table": "mtlbench._tables",
    "weighted_backward": "bench.loop.pieces",
    "weightings": "mtlbench.weightings",
}
__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    """Import what `name` lives in, the first time that it is asked for (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("mtlbench")
    elif name in _HOMES:
        module = importlib.import_module(_HOMES[name])
        value = module if _HOMES[name] == f"{__name__}.{name}" else getattr(module, name)
    else:
        from difflib import get_close_matches

        near = get_close_matches(name, __all__)
        remedy = f"; the nearest: {', '.join(f'`{each}`' for each in near)}" if near else ""
        raise AttributeError(f"`mtlbench` should be asked for a name of its `__all__`. Found `{name}`{remedy}.")
    globals()[name] = value  # the next access is a plain one
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
