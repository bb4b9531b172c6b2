"""Charts as SVG: read back from what was drawn, and held against the numbers behind it."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.site.drawing import draw_chart
from leaderboard.site.drawing.scales import choose_ticks, make_scale
from leaderboard.site.drawing.words import fill_template, make_label
from leaderboard.site.view import Figure, GridCell, GridHead, Panels

SHAPES = {"div", "p", "i", "span", "svg", "g", "path", "circle", "line", "rect", "text", "title", "a"}
HOSTILE = "</title><script>alert(1)</script>\"'&"


def draw(traces, layout=None, **more):
    """A figure drawn, as a tree of elements."""
    return ElementTree.fromstring(f"<div>{draw_chart(Figure('f', 'F', '', traces, layout or {}, **more))}</div>")


def panel_of(tree):
    """The only panel of a figure, and the height of its box in units."""
    panel = tree.find(".//svg[@class='panel']")
    return panel, float(panel.find("svg").get("viewBox").split()[3])


def ends_of(panel, axis):
    """The ends of an axis as the page's script reads them."""
    low, high, kind = panel.get(f"data-{axis}").split()
    return float(low), float(high), kind


def read_line(panel, path, tall):
    """The values of a line, of which None is a gap, from its path and the ends of the axes."""
    (x_low, x_high, x_kind), (y_low, y_high, y_kind) = ends_of(panel, "x"), ends_of(panel, "y")
    points, x, y = [], 0, 0
    for kind, one, other in re.findall(r"([Ml])(-?\d+) (-?\d+)", path.get("d")):
        x, y = (int(one), int(other)) if kind == "M" else (x + int(one), y + int(other))
        at, up = x_low + x / 1000 * (x_high - x_low), y_low + (1 - y / tall) * (y_high - y_low)
        points.append((10**at if x_kind == "log" else at, 10**up if y_kind == "log" else up))
    return points


finite = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(finite, min_size=2, max_size=30))
def test_a_line_can_be_read_back_to_a_pixel_or_so(values):
    panel, tall = panel_of(draw([{"type": "scatter", "mode": "lines", "x0": 1, "y": values}]))
    (path,) = panel.findall(".//path[@data-k]") or [p for p in panel.iter("path") if p.get("class") == "ln c0"]
    low, high, _ = ends_of(panel, "y")
    # A step is rounded at both of its ends; the ends of the axis have six digits.
    room = (high - low) / tall * 1.5 + 1e-5 * max(abs(low), abs(high))
    for (x, y), (number, value) in zip(read_line(panel, path, tall), enumerate(values, 1), strict=True):
        assert abs(x - number) <= len(values) / 1000 + 1e-4 * len(values)
        assert abs(y - value) <= room


def test_a_missing_value_is_a_gap_and_a_logarithm_has_no_zero():
    panel, _ = panel_of(draw([{"type": "scatter", "mode": "lines", "y": [1.0, None, 3.0, math.nan, 2.0]}]))
    (path,) = (p for p in panel.iter("path") if p.get("class") == "ln c0")
    assert path.get("d").count("M") == 3
    scale = make_scale({"type": "log"}, [0.0, 1.0, 100.0])
    assert scale.place(0.0) is None
    assert scale.place(10.0) == pytest.approx(0.5)


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_even_and_few(low, wide):
    ticks = [value for value, _ in choose_ticks(low, low + wide)]
    assert 1 <= len(ticks) <= 7
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[:1].repeat(len(steps)))
    assert all(low - 1e-6 * wide <= value <= low + wide * (1 + 1e-6) for value in ticks)
    assert len({text for _, text in choose_ticks(low, low + wide)}) == len(ticks) or abs(low) > 1e3 * wide


def test_categories_have_their_order_and_may_run_the_other_way():
    scale = make_scale({"type": "category", "categoryarray": ["a", "b"]}, ["b", "c"])
    assert [scale.place(name) for name in "abc"] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    turned = make_scale({"type": "category", "autorange": "reversed"}, ["a", "b"])
    assert [turned.place(name) for name in "ab"] == pytest.approx([0.75, 0.25])


def test_a_heat_map_has_the_share_of_each_colour_and_gaps():
    z = np.array([[1.0, -1.0, 0.5], [0.0, math.nan, 0.5]])
    trace = {"type": "heatmap", "z": z, "x": ["a", "b", "c"], "y": ["low", "high"], "zmin": -1, "zmax": 1}
    layout = {"xaxis": {"type": "category"}, "yaxis": {"type": "category"}}
    panel, _ = panel_of(draw([trace], layout))
    found = np.full((2, 3), math.nan)
    for path in panel.find(".//g[@class='heat']").findall("g/path")[1:]:
        _, side = path.get("class").split()
        share = {"better": 1, "worse": -1, "middle": 0}[side] * float(path.get("stroke-opacity", 0))
        for left, top, count in re.findall(r"M(\d+) (\d+)h(\d+)", path.get("d")):
            found[int(top), int(left) : int(left) + int(count)] = share
    np.testing.assert_array_equal(found[::-1], z)  # the first row is at the bottom
    text = draw_chart(Figure("f", "F", "", [trace], layout))  # a reader of XML would make blanks of tabs
    rows, columns, cells = (re.search(f'data-{name}="(.*?)"', text, re.S)[1] for name in ("rows", "columns", "cells"))
    assert (rows, columns) == ("high\tlow", "a\tb\tc")  # as they are seen, from the top
    assert cells == "0\t\t0.5\n1\t-1\t0.5"


def test_points_link_say_what_they_are_and_have_their_intervals():
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "n",
        "x": [0.0, 1.0],
        "y": ["one", "two"],
        "text": ["-5", "+5"],
        "customdata": ["methods/a.html", ""],
        "error_x": {"array": [0.5, 0.0], "arrayminus": [0.25, 0.0], "color": "@better", "thickness": 2},
        "marker": {"color": "@better", "size": 8},
        "hovertemplate": "%{y}<br>%{text} %<extra></extra>",
    }
    panel, _ = panel_of(draw([trace]))
    assert [title.text for title in panel.iter("title")] == ["one\n-5 %", "two\n+5 %"]
    (link,) = panel.iter("a")
    assert link.get("href") == "methods/a.html"
    (bar,) = (path for path in panel.iter("path") if "better" in path.get("class"))
    assert bar.get("d").count("M") == 1  # an interval without length is none
    x, _, wide = map(int, re.findall(r"-?\d+", bar.get("d"))[:3])
    assert wide == pytest.approx(1000 * 0.75 / (1.25 * 1.08), abs=2)  # 0.75 of a range from -0.25 to 1 with 4 % of room
    assert x == pytest.approx(1000 * 0.04 / 1.08, abs=2)


def test_panels_keep_their_own_axes_and_one_legend():
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "y": [panel, 1 + panel],
            "panel": panel,
            "showlegend": not panel,
        }
        for name in ("a", "b")
        for panel in (0, 1)
    ]
    tree = draw(traces, {"yaxis2": {"range": [0, 10]}}, panels=Panels(["left", "right"], 200, 100))
    first, second = tree.findall(".//svg[@class='panel']")
    assert ends_of(first, "y")[:2] == pytest.approx((-0.04, 1.04))
    assert ends_of(second, "y")[:2] == (0, 10)
    assert [entry.get("data-k") for entry in tree.findall("p/span")] == ["0", "1"]
    assert {group.get("data-k") for panel in (first, second) for group in panel.iter("g") if group.get("data-k")} == {
        "0",
        "1",
    }


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=12))
def test_no_text_is_markup(text):
    name = make_label("".join(sign for sign in text + HOSTILE if sign.isprintable()))
    traces = [
        {"type": "scatter", "mode": "lines+markers", "name": name, "x": [name], "y": [1.0], "text": [name]},
        {"type": "scatter", "mode": "markers", "name": "x", "x": ["b"], "y": [2.0], "customdata": [name]},
    ]
    layout = {"xaxis": {"title": {"text": name}}, "yaxis": {"title": {"text": name}}}
    for tree in (draw(traces, layout), draw([{**traces[0], "panel": 0}], layout, panels=Panels([name], 100, 100))):
        assert {element.tag for element in tree.iter()} <= SHAPES


def test_templates_have_formats_and_lines():
    words = fill_template("%{y}<br>%{x:+.1f} · %{text}<extra>no</extra>", {"x": 2.0, "y": "a&amp;b", "text": "t"})
    assert words == "a&b\n+2.0 · t"


NUMBER = GridHead("n", kind="number", best="high")


@pytest.mark.parametrize(
    ("text", "order", "needs"),
    [
        ("-5.5", -5.4812, False),  # as it is shown
        ("1,234", 1234.0, True),  # the script would read 1
        ("25.3k", 25300.0, True),
        ("valid", 2.0, True),
        ("5/5", 5.0, False),
        ("—", None, False),
        ("12 missing", None, True),  # which would be read as 12
        ("3", 4.0, True),
    ],
)
def test_a_cell_carries_what_it_sorts_by_only_where_its_text_does_not_say_it(text, order, needs):
    assert GridCell(text, order=order).needs_key(NUMBER) is needs
