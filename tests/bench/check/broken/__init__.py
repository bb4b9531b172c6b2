"""Plug-ins that keep the contract but for one rule each, to test the rules.

Each module has a class `Good` that passes all rules of its kind, and `BROKEN`: (rule, words of the
advice, class), where the class is `Good` with one thing changed.
"""

from typing import Any

Broken = tuple[str, str, type]


def change(good: type, **members: Any) -> type:
    """`good` with other members, under its docstring."""
    return type("Odd", (good,), {"__doc__": good.__doc__, "__module__": good.__module__, **members})
