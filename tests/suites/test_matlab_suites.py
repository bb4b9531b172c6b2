"""Suites that are read from the files people have: small files in their formats."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from bench.check import check
from bench.cli.main import main
from bench.errors import DataMissing
from bench.plan import parse_suite, plan
from bench.training.fit import fit

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
    with pytest.raises(DataMissing, match=r"cannot be read as landmine: field 2 should have 2 rows or more of both"):
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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"X": np.ones((2, 2))}, "school.mat cannot be read as school"),
        ({"Y": cells([np.ones((8, 1)), np.ones((13, 1)), np.ones((20, 1))])}, "task 3 has 21 inputs and 20 targets"),
        ({"X": cells([np.ones((8, 2)), np.ones((13, 3)), np.ones((21, 2))])}, r"tasks have \[2, 3\] columns"),
        ({"Y": cells([np.full((n, 1), np.nan) for n in (8, 13, 21)])}, "a matrix of finite numbers is expected"),
        ({"X": cells([np.ones((0, 2)), np.ones((13, 2)), np.ones((21, 2))])}, "a matrix of finite numbers is expected"),
    ],
)
def test_a_file_that_is_another_is_a_sentence(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    write_school(tmp_path, **changes)
    with pytest.raises(DataMissing, match=words) as caught:
        parse_suite("school", tmp_path)[1].dataset("train", 0)
    assert str(caught.value).endswith(".")


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
    with pytest.raises(DataMissing, match=r"^school\.mat should be a Matlab file with `X` and `Y`\. Found another"):
        parse_suite("school", here)[1].dataset("train", 0)
    assert parse_suite("school", here)[1].protocol.splits == {"train": 11_535, "test": 3_827}
