"""The example of docs/submit.md: one file that a reader can copy, a method that keeps the contract and trains."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.catalogue import plugin_files, registry
from bench.check import check, find_subjects
from bench.planning.plan import plan
from bench.training.fit import fit
from tests.pages import list_sessions, read_page

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


def test_the_page_shows_the_file() -> None:
    assert f"```python\n{FILE.read_text()}```" in read_page("docs/submit.md")


def test_it_keeps_the_contract(example: str) -> None:
    outcomes = list(check("sharing", example))
    assert {outcome.rule: outcome.advice for outcome in outcomes if not outcome.passed} == {}
    [limits] = [outcome for outcome in outcomes if outcome.rule == "claimed limits"]
    assert limits.advice == ""  # held, not skipped


def test_what_readme_says_of_the_check(example: str) -> None:
    """Its lines are of rules that are checked, and their number is that of the rules and the two about the file."""
    [shown] = [lines for command, lines in list_sessions(read_page("README.md")) if "mtlbench check" in command]
    rules = [outcome.rule for outcome in check("sharing", example)]
    *lines, last = [line for line in shown if line != "..."]
    assert [line.removeprefix("ok   sharing/scale_and_bias: ") for line in lines] == [
        rule for rule in rules if f"ok   sharing/scale_and_bias: {rule}" in lines
    ]
    assert last == f"{len(rules) + 2} rules checked on 1 part, 0 failed."


def test_it_trains(example: str) -> None:
    [spec] = plan("multidigits", [example], [0], {"epochs": "1"}, device="cpu")
    record = fit(spec)
    assert record.status == "done", record.error
    assert record.find_problems() == []
    assert all(scores["accuracy"] > 15 for scores in record.scores["last"].values())  # ten classes: chance is 10
