"""Plain-text equations as LaTeX: known ones, what is refused, and those of the statistics."""

import pytest

from documentation.equations import render_equations, translate_equation
from mtlbench import statistics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w_t = 1 / T", "w_{t} = 1 / T"),
        ("sum_{m in t} s_m", "\\sum _{m \\in  t} s_{m}"),
        ("W <- W - s * G", "W \\leftarrow  W - s \\cdot  G"),
        ("x^-1", "x^{-1}"),
        ("|t*_(l)| >= 1", "|t^*_{(l)}| \\ge  1"),
        ("y_s. - y_..", "y_{s.} - y_{..}"),
        ("1{x_ait > x_bit}", "1\\{x_{ait} > x_{bit}\\}"),
        ("sqrt(1/n + overlap)", "\\sqrt{1/n +\\ \\mathrm{overlap}}"),
        ("test_per_train", "\\text{test\\_per\\_train}"),
        ("delta_flat", "\\delta _{\\mathrm{flat}}"),
        ("a,   b", "a,\\qquad b"),
        ("log2 E", "\\log_2 E"),
    ],
)
def test_known_equations(text: str, expected: str) -> None:
    assert " ".join(translate_equation(text).split()) == " ".join(expected.split())


@pytest.mark.parametrize("text", ["a = b  # why", 'f("x")', "a_", "(a", "w_{t", "`a` = b"])
def test_what_is_no_equation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"An (equation|index)"):
        translate_equation(text)


def test_only_indented_equations_of_a_docstring_change() -> None:
    text = "The mean, m = 1.\n\n    m = 1 / n\n    s = m\n\nAn example:\n\n    print(m)  # m = 1\n"
    assert render_equations(text) == (
        "The mean, m = 1.\n\n$$\nm = 1 / n\n$$\n\n$$\ns = m\n$$\n\nAn example:\n\n    print(m)  # m = 1\n"
    )


def test_wide_lines_are_split_at_their_gaps() -> None:
    wide = f"    a = {'1 + ' * 20}1,   b = 2"
    assert render_equations(wide).count("$$") == 4
    assert render_equations("    a = 1,   b = 2").count("$$") == 2


@pytest.mark.parametrize("name", ["interval", "corrected_interval", "delta_flat", "crossed_interval", "max_t"])
def test_equations_of_statistics_are_rendered(name: str) -> None:
    import inspect

    docstring = inspect.getdoc(getattr(statistics, name)) or ""
    assert render_equations(docstring).count("$$") >= 2


def test_a_browser_can_lay_them_out() -> None:
    convert = pytest.importorskip("latex2mathml.converter").convert  # the extra `docs`
    assert "<msub>" in convert(translate_equation("w_t = 1 / T"))
