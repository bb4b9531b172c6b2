"""docs/architecture.md describes the tree as it is: its rooms, and the two routes that a reader walks."""

import ast
import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
MOST_FILES, MOST_LINES = 5, 700
STEP = re.compile(r"^\d+\. `(?P<file>[^`]+)`: `(?P<name>[^`]+)`", re.MULTILINE)


def route(name: str) -> list[tuple[Path, str]]:
    """(file, what to look at in it) of each step of a route on the page."""
    [text] = re.findall(rf"<!-- route: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    return [(ROOT / step["file"], step["name"]) for step in STEP.finditer(text)]


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path) -> set[str]:
    """The modules that a file imports, at its top or inside a function."""
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    return {str(node.module) for node in nodes} | {f"{node.module}.{a.name}" for node in nodes for a in node.names}


@pytest.mark.parametrize("name", ["step", "cell"])
def test_a_route_is_short(name: str) -> None:
    files = [file for file, _ in route(name)]
    assert 2 <= len(set(files)) == len(files) <= MOST_FILES
    if name == "step":
        assert sum(len(file.read_text().splitlines()) for file in files) <= MOST_LINES


@pytest.mark.parametrize("name", ["step", "cell"])
def test_what_a_route_names_is_there(name: str) -> None:
    for file, what in route(name):
        nodes = ast.walk(ast.parse(file.read_text()))
        defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert what in defined, f"{file.name} defines no `{what}`"


def test_each_step_to_training_imports_the_next_or_is_built_of_it() -> None:
    """The options build what a command runs; from there on each file names the next."""
    files = [file for file, _ in route("step")]
    first, second, *_ = files
    assert module_of(second) in imports(ROOT / "bench" / "cli" / "execution_options.py")
    assert "execution.run(" in first.read_text()
    for file, following in itertools.pairwise(files[1:]):
        assert module_of(following) in imports(file), f"{file.name} does not lead to {following.name}"


def test_every_room_is_on_the_page() -> None:
    rooms = {path.parent.name for top in ("bench", "leaderboard") for path in (ROOT / top).glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}/`" not in PAGE} == {"submissions"} & rooms


def test_every_file_on_the_page_is_there() -> None:
    named = set(re.findall(r"`((?:bench|suites|leaderboard|tests|docs)/[\w/.-]+)`", PAGE))
    assert {name for name in named if not (ROOT / name).exists()} == set()
