"""`yeast`: a table as the package has it is read, dealt and scored; every other one is refused with its line."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.cli.main import main
from bench.errors import DataMissing, UsageError
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from suites.yeast.reading import read_label_table

HEAD = "Att1,Att2,Class1,Class2,Class3"


def write_lines(rows: int = 80) -> list[str]:
    """The first line, and rows whose labels follow from their features."""
    x = np.random.default_rng(0).normal(size=(rows, 2)).round(3)
    return [HEAD, *(f"{a},{b},{int(a > 0)},{int(b > 0)},{int(a > b)}" for a, b in x)]


def keep(folder: Path, lines: list[str]) -> Path:
    path = folder / "yeast" / "yeast.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_a_table_is_read_packed_or_not(tmp_path: Path) -> None:
    lines = write_lines()
    plain = tmp_path / "plain.csv"
    plain.write_text("\ufeff" + "\r\n".join([*lines, "", ""]), encoding="utf-8")
    packed, other = read_label_table(keep(tmp_path, lines)), read_label_table(plain)
    assert packed.features == other.features == ("Att1", "Att2")
    assert packed.labels == ("Class1", "Class2", "Class3")
    np.testing.assert_array_equal(packed.inputs, other.inputs)
    np.testing.assert_array_equal(packed.targets[:, 2], packed.inputs[:, 0] > packed.inputs[:, 1])
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("\n".join(["Class1,a,Class2", *(f"{k % 2},{k},{k % 3 // 2}.0" for k in range(60))]))
    table = read_label_table(mixed)
    assert (table.features, table.labels) == (("a",), ("Class1", "Class2"))
    np.testing.assert_array_equal(table.inputs[:, 0], np.arange(60))


def test_rows_are_dealt_and_scaled_as_is_said(tmp_path: Path) -> None:
    table = read_label_table(keep(tmp_path, write_lines(81)))
    suite = parse_suite("yeast", tmp_path)[1]
    assert suite.protocol.splits == {"train": 41, "val": 16, "test": 24}
    assert suite.input_shape == (2,)
    assert [task.name for task in suite.tasks] == ["label01", "label02", "label03"]
    assert suite.describe_for_predictions(0)["titles"]["label02"] == "Class2"
    parts = [suite.dataset(split, 4) for split in ("train", "val", "test")]  # type: ignore[arg-type]
    x = parts[0].inputs["label01"]
    assert torch.allclose(x.mean(dim=0), torch.zeros(2), atol=1e-6)
    assert torch.allclose(x.std(dim=0, correction=0), torch.ones(2), atol=1e-5)
    counts = sum(int(part.targets["label03"].sum()) for part in parts)
    assert counts == table.targets[:, 2].sum()
    assert sum(part.rows for part in parts) == 81
    assert not torch.equal(suite.dataset("train", 5).targets["label01"], parts[0].targets["label01"])


def test_a_file_is_prepared_and_learnt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, data = tmp_path / "mine.csv", tmp_path / "data"
    source.write_text("\n".join(write_lines(400)), encoding="utf-8")
    assert parse_suite("yeast", data)[1].data_status() == {"yeast.csv.gz": "missing"}
    assert main(["data", "prepare", "yeast", "--source", str(source), "--data-dir", str(data)]) == 0
    assert "yeast.csv.gz: copied" in capsys.readouterr().out
    assert parse_suite("yeast", data)[1].data_status() == {"yeast.csv.gz": "ready"}
    for method, settings in (("hard", {"epochs": "10", "lr": "0.02"}), ("classifier_chains", {})):
        [spec] = plan("yeast", [method], [0], settings, data_dir=data)
        record = fit(spec, data_dir=data)
        assert record.status == "done", record.error
        assert record.find_problems() == []
        assert record.scores["last"]["labels"]["subset_accuracy"] > 60


def test_without_a_file_it_is_the_yeast_data_that_is_missing(tmp_path: Path) -> None:
    suite = parse_suite("yeast", tmp_path)[1]
    assert (len(suite.tasks), suite.input_shape) == (14, (103,))
    assert suite.protocol.splits == {"train": 1209, "val": 483, "test": 725}
    with pytest.raises(DataMissing, match="`mtlbench data prepare yeast`"):
        suite.dataset("train", 0)


def test_the_package_is_named_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("suites.yeast.suite.PACKAGE", "no-such-package")
    assert main(["data", "prepare", "yeast", "--data-dir", str(tmp_path)]) != 0
    assert "The package `no-such-package` should be installed, which carries yeast.csv.gz" in capsys.readouterr().err


def changed(line: int, text: str) -> list[str]:
    lines = write_lines()
    lines[line - 1] = text
    return lines


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            changed(1, "Att1,Att2,Class1,Class2"),
            "Line 2 of `yeast.csv.gz` should have 4 fields, as the names of columns",
        ),
        (
            changed(1, "Att1,Att2,a,b,Class3"),
            "Line 1 of `yeast.csv.gz` should name 2 to 64 labels, columns whose names",
        ),
        (changed(1, "Att1,Att1,Class1,Class2,Class3"), "a name of its own for every column. Found `Att1` twice."),
        (changed(1, "Att1,,Class1,Class2,Class3"), "a name of its own for every column. Found none in column 2."),
        (changed(1, "Class4,Class5,Class1,Class2,Class3"), "should name features beside labels. Found none."),
        (changed(7, "1,2,0,1"), "Line 7 of `yeast.csv.gz` should have 5 fields, as the names of columns. Found 4."),
        (changed(9, "1,2,0,1,2"), "`Class3` in line 9 of `yeast.csv.gz` should be 0 or 1. Found `2`."),
        (changed(9, "1,2,0,1,"), "`Class3` in line 9 of `yeast.csv.gz` should be 0 or 1. Found nothing."),
        (changed(8, "1,x,0,1,1"), "`Att2` in line 8 of `yeast.csv.gz` should be a number below 1e30. Found `x`."),
        (changed(8, "nan,1,0,1,1"), "`Att1` in line 8 of `yeast.csv.gz` should be a number below 1e30. Found `nan`."),
        (changed(8, '1,"2,0,1,1'), "should be a line of a CSV file"),
        (write_lines(59), "`yeast.csv.gz` should hold 60 rows or more below its first line. Found 59."),
        ([], "should hold 60 rows or more"),
        (
            [HEAD, *["1,2,0,1,1"] * 70],
            "`Class1` of `yeast.csv.gz` should be 1 in 6 rows or more, and 0 in as many. Found 0",
        ),
    ],
)
def test_wrong_tables_are_one_sentence_with_their_line(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_label_table(keep(tmp_path, lines))
    assert sentence in str(caught.value)
    with pytest.raises(DataMissing):
        parse_suite("yeast", tmp_path)[1].dataset("train", 0)
    assert parse_suite("yeast", tmp_path)[1].data_status()["yeast.csv.gz"].startswith("damaged (")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (gzip.compress("\n".join(write_lines()).encode())[:-9], "a whole file of gzip. Found that its end is missing."),
        (gzip.compress(b"x", mtime=0) + b"more", "a whole file of gzip. Found something behind its end."),
        (b"\x1f\x8b" + b"no gzip", "a whole file of gzip. Found that it cannot be unpacked"),
        (
            "\n".join(write_lines()).encode() + b"\n\xff",
            "Line 82 of `yeast.csv.gz` should be text in UTF-8. Found the b",
        ),
    ],
)
def test_damaged_files_are_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = keep(tmp_path, write_lines())
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_label_table(path)
    assert sentence in str(caught.value)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(tmp_path, write_lines())
    monkeypatch.setattr("suites.yeast.reading.LARGEST_TABLE", path.stat().st_size)
    with pytest.raises(UsageError, match="should unpack to at most"):
        read_label_table(path)
