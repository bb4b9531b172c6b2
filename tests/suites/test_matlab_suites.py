"""Suites that are read from the files people have: small files in their formats."""

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
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from suites.variables import variables_of

SHORT = {"folds": "2", "strengths": "3"}


def cells(arrays: list[np.ndarray]) -> np.ndarray:
    found = np.empty((1, len(arrays)), dtype=object)
    for number, array in enumerate(arrays):
        found[0, number] = array
    return found


def write_school(root: Path, **changes: object) -> None:
    generator = np.random.default_rng(0)
    X = [generator.integers(0, 3, (n, 5)).astype(np.uint8) for n in (8, 13, 21)]
    for x in X:
        x[:, 4] = 1  # the constant column
    Y = [(10 * x[:, :1] + t + generator.integers(0, 4, (len(x), 1))).astype(np.uint8) for t, x in enumerate(X)]
    content = {"X": cells(X), "Y": cells(Y)} | changes
    (root / "school").mkdir(parents=True, exist_ok=True)
    savemat(root / "school" / "school.mat", content)


def write_landmine(root: Path, labels: tuple[int, int] = (0, 1), few: bool = False) -> None:
    generator = np.random.default_rng(0)
    X = [generator.standard_normal((n, 9)) for n in (30, 41)]
    y = [(x[:, 0] + 0.3 * generator.standard_normal(len(x)) > 0.7) for x in X]
    if few:
        y[1][:] = False
        y[1][0] = True
    label = [np.where(v, labels[1], labels[0]).astype(np.float64)[:, None] for v in y]
    (root / "landmine").mkdir(parents=True, exist_ok=True)
    savemat(root / "landmine" / "LandmineData.mat", {"feature": cells(X), "label": cells(label)})


def write_survey(root: Path) -> None:
    generator = np.random.default_rng(0)
    design = np.column_stack([np.ones(20), generator.choice([-1.0, 1.0], (20, 13))])
    ratings = np.clip(np.round(5 + generator.standard_normal((6, 14)) @ design.T), 0, 10)
    (root / "computer_survey").mkdir(parents=True, exist_ok=True)
    path = root / "computer_survey" / "conjointAnalysisComputerBuyers.mat"
    savemat(path, {"designMarix": design, "likeBuy": ratings})


def write_sarcos(root: Path) -> np.ndarray:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((60, 21))
    rows = np.hstack([x, x[:, :7] * np.arange(1, 8) + 0.1 * generator.standard_normal((60, 7))])
    (root / "sarcos").mkdir(parents=True, exist_ok=True)
    savemat(root / "sarcos" / "sarcos_inv.mat", {"sarcos_inv": rows})
    savemat(root / "sarcos" / "sarcos_inv_test.mat", {"sarcos_inv_test": rows[[3, 17, 40, 41, 59]]})
    return rows


WRITERS = {"school": write_school, "landmine": write_landmine, "computer_survey": write_survey}


@pytest.mark.parametrize("name", WRITERS)
def test_the_contract_of_a_suite(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    failed = {outcome.rule: outcome.advice for outcome in check("suite", name, tmp_path) if not outcome.passed}
    assert failed.keys() <= {"disjoint"}, failed  # so few small integers repeat by chance; the rule is for real data


def test_school_is_split_as_is_said(tmp_path: Path) -> None:
    write_school(tmp_path)
    _, suite = parse_suite("school", tmp_path)
    assert [task.name for task in suite.tasks] == ["school001", "school002", "school003"]
    assert suite.input_shape == (4,)  # the constant column is left out
    assert suite.protocol.splits == {"train": 6 + 10 + 16, "test": 2 + 3 + 5}
    assert suite.protocol.overlapping
    train, test = suite.dataset("train", 3), suite.dataset("test", 3)
    generator = np.random.default_rng(3)  # anyone can draw the splits
    from scipy.io import loadmat

    content = loadmat(tmp_path / "school" / "school.mat")
    known, targets = [], []
    for number, (x, y) in enumerate(zip(content["X"][0], content["Y"][0], strict=True), 1):
        order = generator.permutation(len(x))
        kept = np.sort(order[: int(np.floor(0.75 * len(x) + 0.5))])
        known.append(x[kept, :4].astype(float))
        targets.append((number, kept, y))
    mean, spread = np.concatenate(known).mean(axis=0), np.concatenate(known).std(axis=0)
    for (number, kept, y), x in zip(targets, known, strict=True):
        name = f"school{number:03d}"
        assert np.allclose(train.inputs[name].numpy(), (x - mean) / spread, atol=1e-6)
        assert train.targets[name][:, 0].tolist() == y[kept, 0].astype(float).tolist()
        assert len(test.targets[name]) == len(y) - len(kept)
    whole = torch.cat([train.inputs[task.name] for task in suite.tasks])
    assert float(whole.mean().abs()) < 1e-6
    assert torch.equal(suite.dataset("train", 3).inputs["school001"], train.inputs["school001"])
    assert not torch.equal(suite.dataset("train", 4).targets["school003"], train.targets["school003"])


@pytest.mark.parametrize(("labels"), [(0, 1), (-1, 1)])
def test_fields_keep_both_classes(labels: tuple[int, int], tmp_path: Path) -> None:
    write_landmine(tmp_path, labels)
    _, suite = parse_suite("landmine", tmp_path)
    for split in ("train", "test"):
        data = suite.dataset(split, 0)  # type: ignore[arg-type]
        assert all(set(y[:, 0].tolist()) == {0.0, 1.0} for y in data.targets.values())
    [spec] = plan("landmine", ["soft+l2"], [0], SHORT, data_dir=tmp_path)
    record = fit(spec, tmp_path)
    assert record.status == "done", record.error
    assert record.problems() == []
    assert record.tasks == ["field01", "field02"]
    assert all(record.scores["val"][task]["auc"] > 75 for task in record.tasks)


def test_a_field_of_one_class_is_refused(tmp_path: Path) -> None:
    write_landmine(tmp_path, few=True)
    with pytest.raises(DataMissing, match=r"^Field 2 of LandmineData.mat should have 2 mines .* Found 1 and 40\.$"):
        parse_suite("landmine", tmp_path)[1].dataset("train", 0)


def test_people_keep_fifteen_computers(tmp_path: Path) -> None:
    write_survey(tmp_path)
    _, suite = parse_suite("computer_survey", tmp_path)
    assert suite.input_shape == (13,)
    assert suite.protocol.splits == {"train": 90, "test": 30}
    [spec] = plan("computer_survey", ["hard"], [0], SHORT, data_dir=tmp_path)
    record = fit(spec, tmp_path)
    assert record.status == "done", record.error
    assert record.statistics["val"]["pooled"]["count"] == 30


def test_test_rows_inside_the_training_file_are_left_out(tmp_path: Path) -> None:
    rows = write_sarcos(tmp_path)
    choice, suite = parse_suite("sarcos:train=55", tmp_path)
    left, test = suite.tables()  # type: ignore[attr-defined]
    assert len(left) == 55
    assert np.array_equal(left, np.delete(rows, [3, 17, 40, 41, 59], axis=0))
    assert np.array_equal(test, rows[[3, 17, 40, 41, 59]])
    assert not suite.own_inputs
    assert len(suite.dataset("train", 0).groups) == 1
    *_, last = check("suite", "sarcos", tmp_path)  # the default asks for more rows than this file has
    assert "should hold 200 rows that are no test rows. Found 55." in last.advice
    [spec] = plan("sarcos:train=40", ["soft+l21"], [0], SHORT, data_dir=tmp_path)
    record = fit(spec, tmp_path)
    assert record.status == "done", record.error
    assert record.tasks == [f"torque{t}" for t in range(1, 8)]
    assert min(record.scores["val"][task]["explained_variance"] for task in record.tasks) > 80
    assert choice.short == "sarcos:train=55"


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
    "nested": ({"X": NESTED}, "Task 2 of `X` of school.mat should be a matrix of finite numbers. Found 1 cells."),
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


def test_labels_of_landmines_are_named(tmp_path: Path) -> None:
    write_landmine(tmp_path, (1, 2))
    with pytest.raises(DataMissing, match=r"^`label` of LandmineData\.mat should be 0 .* or -1 and 1\. Found 1, 2;"):
        parse_suite("landmine", tmp_path)[1].dataset("train", 0)


@pytest.mark.parametrize("single", ["sarcos_inv", "sarcos_inv_test", "both"])
def test_test_rows_are_found_in_single_precision(single: str, tmp_path: Path) -> None:
    rows = write_sarcos(tmp_path)
    leaked = [3, 17, 40, 41, 59]
    for name, table in (("sarcos_inv", rows), ("sarcos_inv_test", rows[leaked])):
        stored = table.astype(np.float32) if single in (name, "both") else table
        savemat(tmp_path / "sarcos" / f"{name}.mat", {name: stored})
    left, test = parse_suite("sarcos:train=55", tmp_path)[1].tables()  # type: ignore[attr-defined]
    np.testing.assert_allclose(left, np.delete(rows, leaked, axis=0), rtol=1e-6)
    np.testing.assert_allclose(test, rows[leaked], rtol=1e-6)


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

    monkeypatch.setattr("suites.variables.read_in_process", refuse)
    found = parse_suite("school", here)[1].dataset("train", 0)
    for name, inputs in expected.inputs.items():
        assert torch.equal(found.inputs[name], inputs)
        assert torch.equal(found.targets[name], expected.targets[name])
    monkeypatch.undo()
    copy = here / "school" / "school.mat.arrays"
    good = copy.read_bytes()
    for bad in (b"", good[:-1], good[:50] + b"\0" + good[51:], bytes(32) + good[32:]):
        copy.write_bytes(bad)
        assert variables_of(here / "school" / "school.mat", ["X", "Y"]).cells("Y")[0].shape == (8, 1)
    copy.write_bytes(good)
    write_school(here, Y=cells([2 * np.ones((n, 1)) for n in (8, 13, 21)]))  # another file in its place
    assert variables_of(here / "school" / "school.mat", ["X", "Y"]).cells("Y")[0][0, 0] == 2


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
