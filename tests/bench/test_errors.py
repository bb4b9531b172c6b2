"""Texts of others in sentences of ours."""

import pytest

from bench.errors import make_printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain \u00e9\u4e2d \U0001f600 `code`", "plain \u00e9\u4e2d \U0001f600 `code`"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("one\ntwo\r\t", r"one\ntwo\r\t"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("\ud800 \udcff", r"\ud800 \udcff"),
        ("::add-mask::x and ::warning file=a::b", r"\x3a:add-mask\x3a:x and \x3a:warning file=a\x3a:b"),
        ("##[add-mask]x # [y]", r"\x23#[add-mask]x # [y]"),
        ("```", r"\x60``"),
        ("a: b, 1::2, `x`", "a: b, 1::2, `x`"),
        ("a\u2028b\x85\ufeff", r"a\u2028b\x85\ufeff"),
    ],
)
def test_what_steers_or_hides_is_shown_as_an_escape(text: str, expected: str) -> None:
    assert make_printable(text) == expected
    assert make_printable(text).isprintable()
    make_printable(text).encode()  # no half of a pair is left


def test_long_texts_are_cut() -> None:
    assert make_printable("x" * 11, 10) == "x" * 10 + "..."
    assert make_printable("x" * 10, 10) == "x" * 10
