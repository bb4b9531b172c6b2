"""A longitudinal table is read line by line; what is wrong is one sentence with file and line."""

import re
from pathlib import Path

import pytest

from bench.errors import UsageError
from suites.visits.reading import read_visits

HEAD = "patient,month,score,age,sex"


def read(tmp_path: Path, *lines: str, head: str = HEAD) -> dict[str, dict[float, float]]:
    (tmp_path / "v.csv").write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    return {name: patient.scores for name, patient in read_visits(tmp_path / "v.csv").patients.items()}


def test_what_is_right_is_read(tmp_path: Path) -> None:
    lines = ["a,0,1.5,70,f", "", "b,0,,71,m", "a,6,2,70,f", 'b,12.5,"3",71,m']
    scores = read(tmp_path, *lines)
    assert scores["a"] == {0.0: 1.5, 6.0: 2.0}
    assert scores["b"][12.5] == 3.0
    assert scores["b"][0.0] != scores["b"][0.0]
    for separator in ";\t":
        again = [line.replace(",", separator) for line in lines]
        assert str(read(tmp_path, *again, head=HEAD.replace(",", separator))) == str(scores)
    (tmp_path / "w.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([HEAD, *lines]).encode())
    table = read_visits(tmp_path / "w.csv")
    assert table.features == ("age", "sex")
    assert table.patients["b"].features == [71.0, "m"]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            ["a,0,1,70,f", "a,12,1,70,f", "a,6,1,70,f"],
            r"order of their months\. Found month 6 in line 4 below month 12 in",
        ),
        (
            ["a,0,1,70,f", "a,6,1,70,f", "a,6,2,70,f"],
            r"one visit at a month\. Found month 6 in line 3 and again in line 4",
        ),
        (
            ["a,0,1,70,f", "b,6,1,70,f"],
            r"first visit of patient `b` in `v\.csv` should be at month 0.*month 6 in line 3",
        ),
        (["a,0,1,70,f", "b,0,1,old,f"], r"`age` of `v\.csv`.*numbers alone.*`old` in line 3 and `70` in line 2"),
        (["a,0,1,70,f", "b,0,1,70,1"], r"`sex` of `v\.csv`.*texts alone.*`f` in line 2 and `1` in line 3"),
        (["a,0,1,70,f", "b,0,1,70,F"], r"write a value in one way\. Found `f` in line 2 and `F` in line 3"),
        (["a,0,1,70,f", "b,0,1,70"], r"Line 3 of `v\.csv` should have 5 fields, as its first line\. Found 4"),
        (["a,0,1,70,f", "b,0,1,70,f,"], r"Line 3 of `v\.csv` should have 5 fields, as its first line\. Found 6"),
        (["a,0,x,70,f"], r"`score` in line 2 of `v\.csv` should be a number\. Found `x`"),
        (['a,0,"1,5",70,f'], r"should be a number\. Found `1,5`; write a point for the comma"),
        (["a,0,inf,70,f"], r"`score` in line 2 of `v\.csv` should be a number\. Found `inf`"),
        (["a,0,1,1e99,f"], r"`age` in line 2 of `v\.csv` should be a number below 1e30"),
        (["a,m0,1,70,f"], r"`month` in line 2 of `v\.csv` should be a number\. Found `m0`"),
        (["a,,1,70,f"], r"`month` in line 2 of `v\.csv` should be a number"),
        (["a,-6,1,70,f"], r"`month` in line 2 of `v\.csv` should be 0 or more\. Found -6"),
        ([",0,1,70,f"], r"`patient` in line 2 of `v\.csv` should name a patient"),
        (['a,0,1,70,"f'], r"Line 2 of `v\.csv` should be a line of a CSV file\. Found: unexpected end of data"),
        ([], r"`v\.csv` should hold visits\. Found names of columns only"),
        (
            [f"p{k},0,1,70,t{k}" for k in range(40)],
            r"`sex` of `v\.csv` should have at most 32 different texts.*line 34",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as told:
        read(tmp_path, *lines)
    assert re.search(sentence, str(told.value)), str(told.value)
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ("patient,months,score,age,sex", "there is no `month`, the nearest: `months`"),
        ("patient,month,score,age,age", "Found `age` in columns 4 and 5"),
        ("patient,month,score,age,", "Found none in column 5"),
        ("patient,month,score", "should name features beside"),
        ("", "there is no `patient`"),
    ],
)
def test_a_first_line_that_is_wrong(tmp_path: Path, head: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read(tmp_path, "a,0,1,70,f", head=head)


def test_mixed_encodings_are_told_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_bytes(f"{HEAD}\na,0,1,70,Zürich\n".encode() + "b,0,1,70,Zürich\n".encode("latin1"))
    with pytest.raises(UsageError, match=r"Line 3 of `v\.csv` should be text in UTF-8.*0xfc"):
        read_visits(tmp_path / "v.csv")
