"""How to cite: BibTeX and APA of CITATION.cff."""

import pytest

from bench.cli.main import main
from bench.errors import UsageError
from leaderboard.export.citation import parse_citation, read_citation
from leaderboard.export.project_file import read_project_file

RELEASED = """
cff-version: 1.2.0
message: Cite it.
title: "tool: 50 % of {all} & more"
version: 1.2
date-released: 2026-03-01
doi: 10.5281/zenodo.1
authors:
  - family-names: Caruana
    given-names: Rich A.
  - family-names: Lovelace
    given-names: Ada
  - name: The R&D group
"""


def test_persons_groups_signs_and_years() -> None:
    citation = parse_citation(RELEASED)
    assert citation.apa == (
        "Caruana, R. A., Lovelace, A., & The R&D group. (2026). tool: 50 % of {all} & more (Version 1.2) "
        "[Computer software]. https://doi.org/10.5281/zenodo.1"
    )
    assert citation.bibtex.splitlines() == [
        "@software{tool2026,",
        "  author = {Caruana, Rich A. and Lovelace, Ada and {The R\\&D group}},",
        "  title = {{tool: 50 \\% of \\{all\\} \\& more}},",
        "  version = {1.2},",
        "  year = {2026},",
        "  doi = {10.5281/zenodo.1},",
        "}",
    ]


def test_the_project_is_cited_as_its_file_says(capsys: pytest.CaptureFixture[str]) -> None:
    citation, text = read_citation(), read_project_file("CITATION.cff")
    assert citation is not None
    assert f'"{citation.title}"' in text
    assert f"version: {citation.version}\n" in text
    for format, wanted in (("bibtex", citation.bibtex), ("apa", f"{citation.apa}\n"), ("cff", text)):
        assert main(["cite", "--format", format]) == 0
        assert capsys.readouterr().out == wanted


def test_the_version_is_that_of_the_package() -> None:
    citation = read_citation()
    assert citation is not None
    assert f'version = "{citation.version}"' in read_project_file("pyproject.toml")


@pytest.mark.parametrize("text", ["title: [", "title: x", "- a", "title: x\nauthors:\n  - orcid: 1", "authors: []"])
def test_a_malformed_file_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"`CITATION.cff` should"):
        parse_citation(text)
