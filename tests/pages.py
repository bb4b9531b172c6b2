"""Pages for readers, as tests take them apart: the commands and the code that stand on them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def read_page(name: str) -> str:
    """The text of README.md, or of a page of docs, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def list_pages() -> list[str]:
    """README.md, CONTRIBUTING.md, every page of docs and every suite's card, by their paths from the root."""
    found = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("suites/*/README.md")]
    return ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in found)]


def list_commands(text: str) -> list[list[str]]:
    """The words behind `mtlbench` of every command of a page, in their order, without the comment."""
    lines = re.findall(r"^(?:    |\$ )mtlbench (.*)$", text, re.MULTILINE)
    return [shlex.split(line.partition(" #")[0]) for line in lines]


def list_programs(text: str) -> list[str]:
    """Every block of Python of a page, in their order."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def list_sessions(text: str) -> list[tuple[str, list[str]]]:
    """Every command of a page that stands with its output: the line behind `$`, and the lines below it."""
    blocks = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(command, output.splitlines()) for command, output in blocks]
