"""What people write in place of what they mean: one sentence, with the right form."""

import pytest

from bench.cli.main import main
from bench.cli.terminal import text_cell
from bench.errors import hint

RIGHT = [
    ("run synthetic pcgrad", "`pcgrad` is a weighting, which stands behind `@`, as in `hard@pcgrad`"),
    ("run synthetic hard+pcgrad", "`pcgrad` is a weighting, which stands behind `@`, as in `hard@pcgrad`"),
    ("run synthetic cross_stitch+pcgrad", "as in `cross_stitch@pcgrad`"),
    ("run synthetic l2", "`l2` is a constraint, which stands behind `+`, as in `soft+l2`"),
    ("run synthetic l2:halflife=3", "as in `soft+l2:halflife=3`"),
    ("run synthetic hard@l2", "as in `soft+l2`"),
    ("run synthetic cross-stitch", "`cross-stitch` should be written `cross_stitch`"),
    ("run synthetic hard@nash-mtl", "should be written `hard@nash_mtl`"),
    ("run synthetic soft+l2,halflife=3", "`soft+l2,halflife=3` should be written `soft+l2:halflife=3`"),
    ("run synthetic,tasks=2 hard", "`synthetic,tasks=2` should be written `synthetic:tasks=2`"),
    ("run hard synthetic", "There is no suite `hard`; it is a sharing."),
    ("run synthetic hard --seed 3", "has no argument `--seed`; the nearest: `--seeds`."),
    ("table demo --format latex", "There is no `--format` `latex`; it is called `tex`."),
    ("table demo --format markdown", "it is called `md`."),
    ("table multidigits --where lrr=1", "The protocol has no setting `lrr`; the nearest: `lr`."),
    ("table demo --store nothere", "`nothere` should be a folder of records. Found none."),
    ("site --store nothere", "`nothere` should be a folder of records. Found none."),
    ("verify nothere", "`nothere` should be a folder of records. Found none."),
    ("merge nothere --into elsewhere", "`nothere` should be a folder of records. Found none."),
    ("run synthetic soft+", "`soft+` should name a constraint after the `+`, as in `soft+l2`."),
    ("run synthetic hard@pcgrad:reduction=sum", "`pcgrad` has no options. Found `reduction`."),
    ("run synthetic hard --set lr=x", "`lr` of the protocol should be a number. Found `x`."),
    ("run synthetic hard --set lr", "mtlbench: `--set` should read key=value, as in `--set lr=0.01`. Found `lr`."),
    ("table demo --where lr", "mtlbench: `--where` should read key=value, as in `--where lr=0.01`. Found `lr`."),
    ("sweep synthetic soft+l2 --over halflife", "mtlbench: `--over` should read option=values"),
    ("run synthetic hard --jobs 0", "mtlbench: `--jobs` should be a whole number of at least 1. Found `0`.\n"),
    ("list tabels", "There is nothing called `tabels` for `mtlbench list`; the nearest: `tables`."),
    ("check nofile.py", "mtlbench: There is no file `nofile.py`.\n"),
    ("submit nofile.py --suite multidigits --out nofolder", "mtlbench: There is no file `nofile.py`.\n"),
    ("data describe multidigits", "There is nothing called `describe` for `mtlbench data`; it is called `info`."),
]


def test_spaces_in_a_method_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "synthetic", "soft + l2"]) == 2
    assert capsys.readouterr().err == "mtlbench: `soft + l2` should have no spaces: `soft+l2`.\n"


@pytest.mark.parametrize(("line", "sentence"), RIGHT, ids=[line for line, _ in RIGHT])
def test_the_right_form_is_said(line: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_the_nearest_are_near_and_many_names_are_not_recited(capsys: pytest.CaptureFixture[str]) -> None:
    assert hint("hrad", ["hard", "soft"]) == "the nearest: `hard`"
    assert hint("Cross-Stitch", ["cross_stitch", "soft"]) == "the nearest: `cross_stitch`"
    assert hint("zzz", ["hard", "soft"]) == "there are `hard`, `soft`"
    assert hint("zzz", map(str, range(30))) == "none of the 30 names is like it (`mtlbench list` prints them)"
    assert main(["run", "synthetic", "zzzzz"]) == 2
    assert "none of the" in capsys.readouterr().err


def test_what_an_error_quotes_cannot_steer_the_terminal_or_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "\x1b[2J", "hard"]) == 2
    assert r"\x1b[2J" in capsys.readouterr().err
    assert main(["table", "a ::add-mask::b"]) == 2
    assert "::" not in capsys.readouterr().err


def test_no_text_of_others_is_markup_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = text_cell("[red]a[/red] \x1b[2J")
    assert text.plain == r"[red]a[/red] \x1b[2J"
    assert text.spans == []
    assert main(["protocol", "synthetic"]) == 0
    assert "sha-256" in capsys.readouterr().out
