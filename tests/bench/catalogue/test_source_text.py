"""A file that shows something else than Python reads is refused by line, before anything of it is run."""

from pathlib import Path

import pytest

from bench.catalogue.plugin_files import load_plugin
from bench.catalogue.source_text import decode_source, find_suspicious_lines
from bench.cli.main import main
from bench.errors import UsageError

HIDDEN = b"# coding: utf-7\n# see the paper +AAo-import os; os.mkdir('ran')+AAo- and the rest\nx = 1\n"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (HIDDEN, "line 1: should be UTF-8, found the coding `utf-7`"),
        (b"\n# vim: set fileencoding=latin-1 :\n", "line 2: should be UTF-8, found the coding `latin-1`"),
        (b"\xef\xbb\xbfx = 1\n", "line 1: should hold visible characters only, found U+FEFF"),
        (b"\xff\xfex\x00=\x001\x00", "line 1: should be UTF-8, found the byte 0xff"),
        (b"x = 1\ny = '\xe9'\n", "line 2: should be UTF-8, found the byte 0xe9"),
        (b"x = 1  # note\rimport os\n", "line 1: should hold visible characters only, found U+000D"),
        (b"x = 1\n\x0cy = 2\n", "line 2: should hold visible characters only, found U+000C"),
        ("x = 1\nok = 'a\u202e)'\n".encode(), "line 2: should hold visible characters only, found U+202E"),
        ("x = 'a\u200bb'\n".encode(), "found U+200B (zero width space)"),
        ("x = 1\u2028import os\n".encode(), "found U+2028 (line separator)"),
        ("x = 'a\ufe00b'\n".encode(), "found U+FE00 (variation selector-1)"),
        ("\u3164 = 1\n".encode(), "found U+3164 (hangul filler)"),
        ("x = 1\n\uff45xec('y')\n".encode(), "line 2: names should be of ASCII letters, found `\uff45xec`"),
        ("y = f'{\uff45xec(1)}'\n".encode(), "line 1: names should be of ASCII letters"),
        ("c\u043epy = 1\n".encode(), "line 1: names should be of ASCII letters, found `c\u043epy`"),
    ],
)
def test_what_reads_otherwise_than_it_looks_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match="line") as caught:
        decode_source(data)
    assert sentence in str(caught.value)


def test_plain_text_passes() -> None:
    text = '# -*- coding: utf-8 -*-\r\n"""Θ ⊂ ℝ, μ ± σ, Zürich."""\r\n\tx = f"Δ {1}"\n'
    assert decode_source(text.encode()) == text


def test_many_reasons_are_counted() -> None:
    with pytest.raises(ValueError, match="and 80 more lines like these"):
        decode_source("x = '\u200b'\n".encode() * 100)


def test_every_source_of_the_project_passes() -> None:
    root = Path(__file__).parents[3]
    for top in ("bench", "suites", "leaderboard", "examples"):
        for file in (root / top).rglob("*.py"):
            assert decode_source(file.read_bytes()) == file.read_text(encoding="utf-8"), file


def test_a_plug_in_is_refused_before_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    file.write_bytes(HIDDEN)
    with pytest.raises(UsageError, match=r"`mine\.py` should be plain Python text: line 1: should be UTF-8"):
        load_plugin(file)
    assert main(["check", "mine.py"]) == 2
    assert main(["submit", "mine.py", "--suite", "multidigits", "--out", "out/mine"]) == 2
    assert capsys.readouterr().err.count("line 1: should be UTF-8, found the coding `utf-7`") == 2
    assert not Path("ran").exists()


SOURCE = '''"""A method."""
import numpy as np
import torch.nn.functional as F
from bench import scores
from bench.api import Sharing, register
from sklearn.datasets import load_digits
from suites.multidigits import MultiDigits
import subprocess, socket

class Mine(Sharing):
    def forward(self, x):
        rows = type(self.suite).dataset(self.suite, "test", 0)
        known = np.load("labels.npy")
        frame = self.frame.f_back
        self.rows = open("x").read()
        return F.relu(x)

scores.score = lambda *a: {}
F.relu = None
'''


def test_lines_that_a_reader_should_look_at_are_named() -> None:
    assert [line.split(":")[0] for line in find_suspicious_lines(SOURCE)] == [
        *("line 4", "line 6", "line 7", "line 8", "line 8", "line 12", "line 13", "line 14", "line 15"),
        *("line 18", "line 19"),
    ]
    named = "\n".join(find_suspicious_lines(SOURCE))
    assert "line 12: `.dataset(` reads a split of a suite" in named
    assert "line 13: `numpy.load` reads a file" in named
    assert "line 18: `scores.score` is assigned to, which was imported" in named


def test_the_example_has_nothing_to_look_at() -> None:
    assert find_suspicious_lines(Path(__file__).parents[3].joinpath("examples/scale_and_bias.py").read_text()) == []
