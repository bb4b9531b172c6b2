"""Pages for readers, as tests take them apart: the commands and the code that stand on them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def read_page(name: str) -> str:
    """The text of README.md, or of a page of docs, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def list_commands(text: str) -> list[list[str]]:
    """The words behind `mtlbench` of every command of a page, in their order, without the comment."""
    return [line.partition(" #")[0].split() for line in re.findall(r"^    mtlbench (.*)$", text, re.MULTILINE)]


def list_programs(text: str) -> list[str]:
    """Every block of Python of a page, in their order."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)
