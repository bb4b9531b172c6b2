"""docs/security.md names a test for each promise: they are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"


def test_every_test_that_the_page_names_is_there() -> None:
    text = PAGE.read_text()
    sources = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]
    defined = set(re.findall(r"def (test_\w+)", "\n".join(sources)))
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) >= 8
    assert named <= defined
    paths = re.findall(r"`((?:tests|bench)/[\w/]+(?:\.py)?)`", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_promise_has_one() -> None:
    rows = [line for line in PAGE.read_text().split("\n") if line.startswith("| ")][2:]
    assert len(rows) >= 12
    assert [row for row in rows if "test" not in row.rsplit("|", 2)[1]] == []
