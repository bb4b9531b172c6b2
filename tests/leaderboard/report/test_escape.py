"""What others wrote, inside our documents: no markup, no formula, no order, and nothing lost."""

import json

import pytest

from leaderboard.report.escape import csv_cell, json_text, latex, markdown, markdown_code, markdown_sentence, printable

HOSTILE = ["a\x1b[2Jb", "a\x9b2J", "a\u202eb", "a\rb\nc\td", "\ue0001"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("escape", [printable, markdown, markdown_code, markdown_sentence, latex, csv_cell])
def test_nothing_steers_a_terminal_or_breaks_a_line(escape, text):
    assert escape(text).isprintable()


def test_printable_keeps_all_of_a_long_text():
    assert printable("x" * 50_000) == "x" * 50_000
    assert printable("\x00" * 5_000) == r"\x00" * 5_000


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-x", "'-x"),
        ("-", "'-"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("-1.5", "-1.5"),
        ("+0.041", "+0.041"),
        ("-1e-05", "-1e-05"),
        ("soft+l2:halflife=1.0", "soft+l2:halflife=1.0"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula_and_a_number_stays_one(text, cell):
    assert csv_cell(text) == cell


def test_markdown_has_no_markup_of_others():
    assert markdown("[a](b) <img> |`*_") == r"\[a\](b) \<img\> \|\`\*\_"
    assert markdown_code("hard|x") == r"`hard\|x`"
    assert markdown_code("a`b|") == r"a\`b\|"
    assert markdown_sentence("see `a_b` and c_d") == r"see `a_b` and c\_d"
    assert "```" not in markdown_sentence("```\nfence")


def test_latex_reads_nothing_as_its_own():
    assert latex(r"50% of $x_1 & \y") == r"50\% of \$x\_1 \& \textbackslash{}y"
    assert latex("[2, 3]") == "{[2, 3]}"  # behind a line break it would be an option
    assert latex("* star") == "{* star}"
    assert latex("a|b") == r"a\textbar{}b"


@pytest.mark.parametrize("text", [*HOSTILE, "##[add-mask]x", "\U000e0041", "plain \u0394", 'quote " and \\ back'])
def test_json_says_the_same_and_steers_nothing(text):
    found = json_text(json.dumps({text: [text]}, indent=1, ensure_ascii=False))
    assert json.loads(found) == {text: [text]}
    assert found.replace("\n", "").isprintable()
    assert "##[" not in found
