"""The template engine of pages: those of the site, and the answer of `mtlbench ask`."""

from pathlib import Path
from typing import Any


def open_templates(folder: Path) -> Any:
    """The templates of a folder: every value is escaped, and a name that is missing raises an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only pages need it

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        # Blocks leave no blank lines: a store has thousands of pages.
        trim_blocks=True,
        lstrip_blocks=True,
        # Templates do not change during a build: never look at the files again, and keep all of them.
        auto_reload=False,
        cache_size=-1,
    )
