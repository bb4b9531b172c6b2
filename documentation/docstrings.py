"""Docstrings as the Python reference shows them: their equations are rendered."""

from typing import Any

import griffe

from documentation.equations import render_equations


class RenderedDocstrings(griffe.Extension):  # type: ignore[misc] # which is Any where the extra is missing
    """Rewrites the text of each docstring before it is taken apart."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for every object that was read from the source."""
        if obj.docstring:
            obj.docstring.value = render_equations(obj.docstring.value)
