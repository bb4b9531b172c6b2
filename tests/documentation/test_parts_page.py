"""The page of parts: every registered one is on it, with its paper, and equations are told from names."""

import re

import pytest

from bench.catalogue.registry import list_entries
from documentation.parts_page import KINDS, write_parts_page
from leaderboard.report.escape import markdown


@pytest.fixture(scope="module")
def page() -> str:
    return write_parts_page()


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_is_there_with_its_paper(page: str, kind: str) -> None:
    title, _ = KINDS[kind]
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    entries = list_entries(kind)
    assert re.findall(r"^### (.+)$", section, re.MULTILINE) == [markdown(name) for name in sorted(entries)]
    for entry in entries.values():
        assert markdown(entry.paper) in section


def test_equations_and_names(page: str) -> None:
    l2 = page.partition("\n### l2\n")[2].partition("\n### ")[0]
    assert "$R(W) = v \\sum _{t} |w_{t} -\\ \\mathrm{mean}(w)|^{2}$" in l2
    assert "`single_task`" in l2
    assert "- `halflife`: updates k" in l2
    for equation in re.findall(r"\$([^$]+)\$", page):
        assert not re.search(r"single|soft\+|split=", equation)
