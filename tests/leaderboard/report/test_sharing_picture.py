"""The picture of who owns which parameters: the file is what the function draws, and it says what it shows."""

from xml.etree import ElementTree

import pytest

from bench.catalogue.method import Method
from bench.errors import UsageError
from leaderboard.report.sharing_picture import HEIGHT, KINDS_OF_SHARING, WIDTH, draw_sharing
from tests.pages import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def count_boxes(owner: str) -> int:
    tree = ElementTree.fromstring(draw_sharing())
    return sum(each.get("class") == owner for each in tree.iter(f"{SVG}rect"))


def test_the_file_is_what_is_drawn() -> None:
    """`python -m leaderboard.report.sharing_picture` after a change."""
    assert draw_sharing() == (ROOT / "docs" / "pictures" / "sharing.svg").read_text(encoding="utf-8")


def test_who_owns_what() -> None:
    """Three kinds have towers of three stages, all have heads; experts are 3 x 2, a trunk 3. One more is the legend."""
    assert count_boxes("a") == count_boxes("b") == 3 * 3 + 5 + 1
    assert count_boxes("both") == 6 + 3 + 1


def test_every_kind_is_named_with_a_method_that_there_is() -> None:
    tree = ElementTree.fromstring(draw_sharing())
    texts = {each.text for each in tree.iter(f"{SVG}text")}
    assert set(KINDS_OF_SHARING) <= texts
    for method, _ in KINDS_OF_SHARING.values():
        assert method in texts
        Method.parse(method)


def test_everything_lies_inside() -> None:
    for each in ElementTree.fromstring(draw_sharing()).iter():
        x, y = (float(each.get(name, each.get(f"c{name}", "0"))) for name in "xy")
        assert 0 <= x + float(each.get("width", "0").rstrip("%")) <= WIDTH
        assert 0 <= y <= HEIGHT


def test_a_subject_stands_out() -> None:
    tree = ElementTree.fromstring(draw_sharing(["soft"]))
    faint = [group.get("opacity") for group in tree.iter(f"{SVG}g")]
    assert [each is None for each in faint] == [False, True, False, False, False]
    with pytest.raises(UsageError, match="one of separate, soft, stitched, experts, hard"):
        draw_sharing(["dense"])
