"""`import mtlbench` is light, typed, and knows its names before it imports them."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mtlbench as mb

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "lightning", "wandb", "pandas", "matplotlib", "numpy", "scipy", "pydantic"}


def run_python(code: str) -> str:
    """The standard output of a new interpreter."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_import_loads_one_module_and_none_that_is_heavy() -> None:
    code = (
        "import sys, json; before = set(sys.modules); import mtlbench; print(json.dumps([*set(sys.modules) - before]))"
    )
    loaded = json.loads(run_python(code))
    assert [name for name in loaded if name.partition(".")[0] in HEAVY | {"bench", "leaderboard", "suites"}] == []
    assert [name for name in loaded if name.startswith("mtlbench")] == ["mtlbench"]
    assert len(loaded) <= 10


def test_results_are_read_without_torch() -> None:
    code = "import sys, mtlbench as mb; mb.load_results, mb.statistics.holm; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"


def test_every_name_is_there_and_nothing_else() -> None:
    assert len(set(mb.__all__)) == len(mb.__all__)
    for name in mb.__all__:
        assert getattr(mb, name) is getattr(mb, name)
        assert name in dir(mb)
    with pytest.raises(AttributeError, match="`load_result`; the nearest: `load_results`"):
        mb.load_result  # noqa: B018


def test_type_checkers_are_told_of_the_same_names_in_the_same_modules() -> None:
    tree = ast.parse((ROOT / "mtlbench" / "__init__.py").read_text())
    [guarded] = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in guarded.body if isinstance(node, ast.ImportFrom)]
    told = {alias.asname: str(node.module) for node in imports for alias in node.names}
    whole = {name: f"mtlbench.{name}" if module == "mtlbench" else module for name, module in told.items()}
    assert whole == mb._HOMES
    assert (ROOT / "mtlbench" / "py.typed").is_file()


def test_statistics_are_those_of_the_leaderboard() -> None:
    own = importlib.import_module("leaderboard.analysis.statistics")
    assert {name: getattr(mb.statistics, name) for name in own.__all__} == {
        name: getattr(own, name) for name in own.__all__
    }
    assert mb.statistics.__all__ == own.__all__
