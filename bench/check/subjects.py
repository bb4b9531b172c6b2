"""What a word on the command line stands for: a registered name, or a file that registers some."""

from pathlib import Path

from bench.catalogue.registry import PACKAGES, entries, load_plugin
from bench.errors import UsageError, hint


def subjects(text: str) -> list[tuple[str, str]]:
    """(kind, name) pairs: of every kind that has the name `text`, of `kind/name`, or of what a file registers.

    Raises UsageError where nothing is found, with the nearest names.
    """
    kind, slash, rest = text.partition("/")
    if text.endswith(".py") or (slash and kind not in PACKAGES):
        return _registered_by(Path(text))
    known = {kind: entries(kind) for kind in PACKAGES}
    chosen = [(kind, rest)] if slash else [(kind, text) for kind in PACKAGES]
    pairs = [(kind, name) for kind, name in chosen if name in known[kind]]
    if not pairs and Path(text).is_file():
        return _registered_by(Path(text))
    if not pairs:
        names = known[kind] if slash else {name for names in known.values() for name in names}
        what = kind if slash else "sharing, constraint, weighting or suite"
        raise UsageError(f"There is no {what} `{rest or text}`; {hint(rest or text, names)}.")
    return pairs


def _registered_by(path: Path) -> list[tuple[str, str]]:
    pairs = load_plugin(path)
    if not pairs:
        raise UsageError(
            f'`{path}` should register a class, with @register("its_name") from bench.api above it. Found none.'
        )
    return pairs
