"""docs/linear.md: its example prints what it says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "linear.md"


def test_the_example_prints_what_it_says() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 5
    assert found.failed == 0
