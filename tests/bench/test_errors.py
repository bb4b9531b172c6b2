"""Texts of others in sentences of ours."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.errors import (
    UsageError,
    add_article,
    count_nouns,
    hint,
    make_printable,
    require_choice,
    require_number,
    require_text,
)

ROOT = Path(__file__).parents[2]


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


def test_nouns_are_counted_and_have_their_article() -> None:
    assert [count_nouns(n, "task") for n in (0, 1, 2, 1000)] == ["0 tasks", "1 task", "2 tasks", "1,000 tasks"]
    assert [count_nouns(n, "process", "processes") for n in (1, 2)] == ["1 process", "2 processes"]
    names = ("suite", "int", "Estimator", "uint8", "float")
    assert [add_article(name) for name in names] == ["a suite", "an int", "an Estimator", "a uint8", "a float"]


def test_what_there_is_instead_is_a_sentence() -> None:
    assert hint("x", []) == "there is nothing to choose from"
    assert hint("x", ["hard"]) == "there is `hard`"
    assert hint("x", ["hard", "soft"]) == "there are `hard`, `soft`"
    assert hint("hrad", ["hard", "soft"]) == "the nearest: `hard`"


def test_no_module_makes_a_plural_or_an_article_of_its_own() -> None:
    """`1 tasks` and `a int` come from sentences that are put together by hand."""
    by_hand = re.compile(r"""['"]s['"] (\*|if )|[Ff]ound a \{|, a \{type\(""")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for top in ("bench", "suites", "leaderboard")
        for path in (ROOT / top).rglob("*.py")
        if path.name != "errors.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if by_hand.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (lambda: require_choice("split", "val", ("test", "validation")), "`split` should be `test` or `validation`. F"),
        (lambda: require_choice("rule", ["a"], ("a", "b", "c")), "`rule` should be `a`, `b` or `c`. Found `['a']`."),
        (lambda: require_text("suite", None), "`suite` should be a text. Found a NoneType."),
        (lambda: require_number("lr", "1", above=0), "`lr` should be a number above 0. Found '1'."),
        (lambda: require_number("lr", math.nan), "`lr` should be a number. Found nan."),
        (lambda: require_number("part", 2, above=0, most=1), "should be a number above 0 and of at most 1. Found 2."),
        (lambda: require_number("jobs", 1.5, least=1, whole=True), "a whole number of at least 1. Found 1.5."),
        (lambda: require_number("jobs", True, least=1), "`jobs` should be a number of at least 1. Found True."),
    ],
)
def test_arguments_out_of_their_range_are_one_sentence(check: Callable[[], None], sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        check()


def test_arguments_in_their_range_pass() -> None:
    require_choice("split", "test", ("test", "validation"))
    require_text("suite", "")
    for number in (1, 1.0, np.float32(1), np.int64(1)):
        require_number("lr", number, above=0, least=1, most=1, whole=True)
    require_number("norm", math.inf, above=0)
    for beyond in (0, 2, np.nextafter(1.0, 2)):  # the same check, one step on
        with pytest.raises(UsageError):
            require_number("lr", beyond, above=0, least=1, most=1)
