"""Suites that are read from files people have: splits, refusals, copies."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from bench.check import check
from bench.cli.main import main
from bench.errors import DataMissing
from bench.planning.plan import parse_suite
from suites._shared.variables import load_variables
from tests.suites.matlab_files import WRITERS, cells, write_school


@pytest.mark.parametrize("name", WRITERS)
def test_the_contract_of_a_suite(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    failed = {outcome.rule: outcome.advice for outcome in check("suite", name, tmp_path) if not outcome.passed}
    assert failed.keys() <= {"disjoint"}, failed  # so few small integers repeat by chance; the rule is for real data


ONES = [np.ones((n, 1)) for n in (8, 13, 21)]

NESTED = cells([np.ones((8, 2)), cells([np.ones((2, 2))]), np.ones((21, 2))])

OTHERS: dict[str, tuple[dict[str, object], str]] = {
    "no cells": ({"X": np.ones((2, 2))}, "`X` of school.mat should be cells, a matrix for each task. Found numbers"),
    "text": ({"X": "none"}, "`X` of school.mat should be cells, a matrix for each task. Found text."),
    "structure": ({"Y": {"a": 1}}, "`Y` of school.mat should be cells, a matrix for each task. Found a structure."),
    "rows": (
        {"Y": cells([np.ones((8, 1)), np.ones((13, 1)), np.ones((20, 1))])},
        "Task 3 of school.mat should have as many inputs as targets, 2 or more. Found 21 inputs and 20 targets.",
    ),
    "columns": (
        {"X": cells([np.ones((8, 2)), np.ones((13, 3)), np.ones((21, 2))])},
        "Task 2 of school.mat should have as many columns as task 1, 2. Found 3.",
    ),
    "tasks": (
        {"Y": cells(ONES[:2])},
        "school.mat should hold inputs and targets of the same tasks. Found 3 tasks with inputs and 2 with targets.",
    ),
    "not finite": (
        {"Y": cells([ONES[0], ONES[1] * np.nan, ONES[2]])},
        "Task 2 of `Y` of school.mat should be a matrix of finite numbers. Found 13 of 13 numbers that are not finite.",
    ),
    "empty": (
        {"X": cells([np.ones((0, 2)), np.ones((13, 2)), np.ones((21, 2))])},
        "Task 1 of `X` of school.mat should be a matrix of finite numbers. Found an empty one, 0x2.",
    ),
    "nested": ({"X": NESTED}, "Task 2 of `X` of school.mat should be a matrix of finite numbers. Found 1 cell."),
    "complex": (
        {"X": cells([np.ones((8, 2)) * 1j, *ONES[1:]])},
        "Task 1 of `X` of school.mat should be a matrix of finite numbers. Found complex numbers.",
    ),
    "volume": (
        {"X": cells([np.ones((8, 2, 2)), *ONES[1:]])},
        "Task 1 of `X` of school.mat should be a matrix of finite numbers. Found numbers of shape 8x2x2.",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_that_is_another_is_a_sentence(kind: str, tmp_path: Path) -> None:
    changes, words = OTHERS[kind]
    write_school(tmp_path, **changes)
    _, suite = parse_suite("school", tmp_path)
    for act in (lambda: suite.dataset("train", 0), suite.checksums):
        with pytest.raises(DataMissing) as caught:
            act()
        assert str(caught.value).startswith(words)
        assert str(caught.value).count(".") == words.count(".") + (not words.endswith("."))
    assert suite.data_status()["school.mat"].startswith(f"damaged ({words[:40]}")


def test_missing_files_are_a_sentence_and_are_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = tmp_path / "data", tmp_path / "elsewhere"
    with pytest.raises(DataMissing, match=r"^school\.mat should lie in `school` of the data folder; it is data/school"):
        parse_suite("school", here)[1].checksums()
    write_school(there)
    arguments = ["data", "prepare", "school", "--data-dir", str(here), "--source", str(there)]
    assert main(arguments) == 0
    assert "school.mat: copied" in capsys.readouterr().out
    assert (here / "school" / "school.mat").read_bytes() == (there / "school" / "school.mat").read_bytes()
    assert parse_suite("school", here)[1].data_status() == {"school.mat": "ready"}
    (here / "school" / "school.mat").write_bytes(b"not a Matlab file")
    with pytest.raises(DataMissing, match=r"^`school\.mat` should be a MATLAB file .* `X` and `Y`\. Found a file of"):
        parse_suite("school", here)[1].dataset("train", 0)
    assert parse_suite("school", here)[1].protocol.splits == {"train": 11_535, "test": 3_827}


IMPOSTORS: dict[str, tuple[bytes, str]] = {
    "page": (b"<!DOCTYPE html><html>Not Found</html>", "Found a web page."),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Found a pointer of Git LFS"),
    "empty": (b"", "Found an empty file."),
    "noise": (np.random.default_rng(0).bytes(5000), "Found a file of another kind."),
    "new": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(600), "Found a MATLAB file of version 7.3, that is HDF5"),
    "cut": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x01IM\x0f\x00", "Found one that is damaged."),
}


@pytest.mark.parametrize("kind", IMPOSTORS)
def test_a_copy_is_opened_before_it_is_kept(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = IMPOSTORS[kind]
    here, there = tmp_path / "data", tmp_path / "elsewhere"
    there.mkdir()
    (there / "school.mat").write_bytes(content)
    arguments = ["data", "prepare", "school", "--data-dir", str(here), "--source"]
    assert main([*arguments, str(there)]) == 1
    said = capsys.readouterr()
    assert "ready" not in said.out
    assert said.err.startswith("mtlbench: `school.mat` should be a MATLAB file of version 4 to 7 with `X` and `Y`. ")
    assert words in said.err
    assert list((here / "school").iterdir()) == []
    write_school(tmp_path / "good")
    assert main([*arguments, str(tmp_path / "good")]) == 0
    kept = {path.name: path.read_bytes() for path in (here / "school").iterdir()}
    assert kept.keys() == {"school.mat", "school.mat.arrays"}
    assert main([*arguments, str(there)]) == 1  # what was there stays
    assert {path.name: path.read_bytes() for path in (here / "school").iterdir()} == kept


def test_other_variables_are_named_as_text(tmp_path: Path) -> None:
    (tmp_path / "school").mkdir()
    savemat(tmp_path / "school" / "school.mat", {"X": 1, "b": 2, "c" * 31: 3})
    with pytest.raises(DataMissing, match=r"with `X` and `Y`\. Found `X`, `b`, `c{31}`\.$"):
        parse_suite("school", tmp_path)[1].checksums()


def test_a_full_disk_leaves_nothing(
    small_disk: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    X = [generator.standard_normal((400, 9)) for _ in range(20)]
    write_school(tmp_path, X=cells(X), Y=cells([x[:, :1] for x in X]))  # 640 kilobytes
    root = small_disk(256)
    assert main(["data", "prepare", "school", "--source", str(tmp_path), "--data-dir", str(root)]) == 1
    assert capsys.readouterr().err == "mtlbench: The disk is full: free some space, and the same command continues.\n"
    assert [path for path in root.rglob("*") if path.is_file()] == []


def test_what_was_prepared_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "data", tmp_path / "elsewhere"
    write_school(there)
    list(parse_suite("school", here)[1].prepare_data(there))
    expected = parse_suite("school", there)[1].dataset("train", 0)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr("suites._shared.variables.read_in_process", refuse)
    found = parse_suite("school", here)[1].dataset("train", 0)
    for name, inputs in expected.inputs.items():
        assert torch.equal(found.inputs[name], inputs)
        assert torch.equal(found.targets[name], expected.targets[name])
    monkeypatch.undo()
    copy = here / "school" / "school.mat.arrays"
    good = copy.read_bytes()
    for bad in (b"", good[:-1], good[:50] + b"\0" + good[51:], bytes(32) + good[32:]):
        copy.write_bytes(bad)
        assert load_variables(here / "school" / "school.mat", ["X", "Y"]).cells("Y")[0].shape == (8, 1)
    copy.write_bytes(good)
    write_school(here, Y=cells([2 * np.ones((n, 1)) for n in (8, 13, 21)]))  # another file in its place
    assert load_variables(here / "school" / "school.mat", ["X", "Y"]).cells("Y")[0][0, 0] == 2


@pytest.mark.parametrize("name", ["school", "landmine", "sarcos", "computer_survey"])
def test_a_pipe_in_place_of_a_file_is_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, suite = parse_suite(name, tmp_path / "data")
    (tmp_path / "there").mkdir()
    for file in suite.data_status():
        os.mkfifo(tmp_path / "there" / file)
    arguments = ["data", "prepare", name, "--data-dir", str(tmp_path / "data"), "--source"]
    assert main([*arguments, str(tmp_path / "there")]) == 1
    assert "should be a file. Found a named pipe." in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "there" / next(iter(suite.data_status())))]) == 2
    assert "--source should be a file or a folder. Found a named pipe" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
