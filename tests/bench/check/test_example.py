"""The example of the README: one file that a reader can copy, a method that keeps the contract and trains."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.catalogue import plugin_files, registry
from bench.check import check, find_subjects
from bench.planning.plan import plan
from bench.training.fit import fit

ROOT = Path(__file__).parents[3]
FILE = ROOT / "examples" / "scale_and_bias.py"


@pytest.fixture(scope="module")
def example() -> Iterator[str]:
    """Its name, registered for these tests only."""
    torch.set_num_threads(1)
    plugin_files._LOADED.clear()
    [(kind, name)] = find_subjects(str(FILE))
    yield name
    del registry._ENTRIES[kind][name]
    plugin_files._LOADED.clear()


def test_it_is_one_short_file_with_one_import_of_the_project() -> None:
    lines = FILE.read_text().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120
    assert [line.split()[1] for line in lines if line.startswith("from bench")] == ["bench.api"]


def test_the_readme_shows_the_file() -> None:
    readme = (ROOT / "README.md").read_text()
    if not readme.strip():
        pytest.skip("the README is not written yet")
    assert f"```python\n{FILE.read_text()}```" in readme


def test_it_keeps_the_contract(example: str) -> None:
    outcomes = list(check("sharing", example))
    assert {outcome.rule: outcome.advice for outcome in outcomes if not outcome.passed} == {}
    [limits] = [outcome for outcome in outcomes if outcome.rule == "claimed limits"]
    assert limits.advice == ""  # held, not skipped


def test_it_trains(example: str) -> None:
    [spec] = plan("multidigits", [example], [0], {"epochs": "1"}, device="cpu")
    record = fit(spec)
    assert record.status == "done", record.error
    assert record.find_problems() == []
    assert all(scores["accuracy"] > 15 for scores in record.scores["last"].values())  # ten classes: chance is 10
