"""Files at the root of the project that pages quote, as CITATION.cff; a package carries copies (setup.py)."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def read_project_file(name: str) -> str:
    """The text of a file at the root of the clone that this code lies in, or of the package's copy; else empty."""
    # The root first: a clone in which a package was built may have an older copy.
    for path in (PACKAGE.parent / name, PACKAGE / name):
        # Beside an installed package lie other packages, whose files these are not.
        if path.is_file() and (path.parent == PACKAGE or (path.parent / "pyproject.toml").is_file()):
            return path.read_text(encoding="utf-8")
    return ""
