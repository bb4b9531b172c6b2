"""The subject of `mtlbench check`: a registered name, an own data set, or a file that registers some."""

from pathlib import Path

from bench.catalogue.own_sets import list_own_sets
from bench.catalogue.plugin_files import load_plugin
from bench.catalogue.registry import PACKAGES, list_entries
from bench.errors import UsageError, hint


def find_subjects(text: str, data_dir: Path | None = None) -> list[tuple[str, str]]:
    """(kind, name) pairs: of every kind that has the name `text`, of `kind/name`, or of what a file registers.

    A registered name comes before a file of the same name; `NAME.py` is always a file, which is imported. Own data sets
    in the data folder `data_dir` are suites.

    Raises UsageError where nothing has the name, with the nearest ones, and as `load_plugin` for a file.
    """
    kind, slash, rest = text.partition("/")
    if text.endswith(".py") or (slash and kind not in PACKAGES):
        return _load_registered(Path(text))
    known = {kind: [*list_entries(kind), *(list_own_sets(data_dir) if kind == "suite" else [])] for kind in PACKAGES}
    chosen = [(kind, rest)] if slash else [(kind, text) for kind in PACKAGES]
    pairs = [(kind, name) for kind, name in chosen if name in known[kind]]
    if not pairs and Path(text).is_file():
        return _load_registered(Path(text))
    if not pairs:
        names = known[kind] if slash else {name for names in known.values() for name in names}
        what = kind if slash else "sharing, constraint, weighting, suite or backbone"
        raise UsageError(f"There is no {what} `{rest or text}`; {hint(rest or text, names)}.")
    return pairs


def _load_registered(path: Path) -> list[tuple[str, str]]:
    """The pairs that a file registers. Raises UsageError where it registers none."""
    pairs = load_plugin(path)
    if not pairs:
        raise UsageError(
            f'`{path}` should register a class, with @register("its_name") from bench.api above it. Found none.'
        )
    return pairs
