"""Links and anchors of all pages, without the tool that builds them; and how they are rewritten for the site."""

import re

import pytest

from documentation.links import is_inside, list_links, place_file, resolve_link, rewrite_links
from tests.pages import ROOT, list_pages, read_page

LINKED = [*list_pages(), "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md"]
PAGES = {"README.md": "index.md", "suites/scenes/README.md": "suites/scenes.md"}


def list_anchors(text: str) -> set[str]:
    """The anchors of the headings of a page, as forges and the site make them: small letters, no punctuation."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = [re.sub(r"[`*]|\\(?=.)", "", title) for title in re.findall(r"^#+ (.+)$", plain, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED)
def test_a_page_links_to_what_is_there(page: str) -> None:
    for target in filter(is_inside, list_links(read_page(page))):
        path = resolve_link(page, target)
        assert (ROOT / path).exists(), target
        if "#" in target and path.endswith(".md"):
            assert target.partition("#")[2] in list_anchors(read_page(path)), target
    for target in list_links(read_page(page)):
        if target.startswith("#"):
            assert target[1:] in list_anchors(read_page(page)), target


def test_anchors_are_made_of_headings() -> None:
    assert list_anchors("# A, *b* and `c_d`\n```\n# no heading\n```\n## Where a form is not its paper's\n") == {
        *("a-b-and-c_d", "where-a-form-is-not-its-papers"),
    }


def test_every_page_is_in_the_navigation_once() -> None:
    listed = re.findall(r"^ +- (?:[^:\n]+: )?([\w/.-]+\.md)$", read_page("mkdocs.yml"), re.MULTILINE)
    outside = {"index.md", "parts.md", "contributing.md", "code_of_conduct.md", "report_a_fault.md", "changelog.md"}
    cards = {f"suites/{path.parent.name}.md" for path in ROOT.glob("suites/*/README.md")}
    examples = {f"examples/{path.stem}.md" for path in ROOT.glob("examples/*.py")}
    own = {str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")}
    assert sorted(listed) == sorted(own | outside | cards | examples)


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("README.md", "[a](docs/boards.md#school)", "[a](boards.md#school)"),
        ("docs/boards.md", "[a](../README.md#x)", "[a](index.md#x)"),
        ("docs/decisions/1-lightning.md", "[a](../scale.md)", "[a](../scale.md)"),
        ("docs/images.md", "[a](../suites/scenes/README.md)", "[a](suites/scenes.md)"),
        ("suites/scenes/README.md", "[a](../../docs/linear.md)", "[a](../linear.md)"),
        ("README.md", "[a](LICENSE), [b](.github/x.yml)", "[a](files/LICENSE), [b](files/github/x.yml)"),
        ("README.md", "[![p](docs/pictures/a.png)](docs/explore.md)", "[![p](pictures/a.png)](explore.md)"),
        ("README.md", "[a](https://x.org/a.md), [b](#here)", "[a](https://x.org/a.md), [b](#here)"),
        ("README.md", "```python\nx[0](docs/boards.md)\n```\n", "```python\nx[0](docs/boards.md)\n```\n"),
    ],
)
def test_links_lead_to_places_of_the_site(page: str, text: str, expected: str) -> None:
    assert rewrite_links(text, page, PAGES) == expected


def test_links_of_programs_are_none() -> None:
    assert list(list_links("[a](b.md)\n```\n[c](d.md)\n```\n![e](f.svg)")) == ["b.md", "f.svg"]
    assert list(list_links("[![e](f.svg)](g.md)")) == ["g.md", "f.svg"]


def test_a_file_that_is_no_page_is_carried_along() -> None:
    assert place_file("leaderboard/results/LICENSE", PAGES) == "files/leaderboard/results/LICENSE"
    assert place_file("docs/dial.svg", PAGES) == "dial.svg"
