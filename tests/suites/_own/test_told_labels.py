"""What commands tell of an own data set: its rows, tasks and labels."""

import json
from pathlib import Path

import pytest

from bench.cli.main import main
from tests.suites._own.small_csv import Importer, make_rows, write_csv

pytest.importorskip("polars")


@pytest.fixture
def imported(importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table whose `kind` has 45 labels of 60."""
    columns = make_rows()
    columns["kind"][:15] = [None] * 15
    importer.answer(write_csv(tmp_path / "t.csv", columns), "--targets", "score,kind")
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))


@pytest.mark.usefixtures("imported")
def test_rows_and_labels_of_each_task_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    assert "mine           ready, 60 rows, 2 tasks\n" in capsys.readouterr().out
    assert main(["data", "info", "mine", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["tasks"] == {"score": "explained", "kind": "classification"}
    labels = answer["labels"]
    assert {split: counts["score"] for split, counts in labels.items()} == {"train": 36, "val": 12, "test": 12}
    assert sum(counts["kind"] for counts in labels.values()) == 45
    lines = [f"labels {split:9} score {counts['score']}, kind {counts['kind']}" for split, counts in labels.items()]
    assert main(["data", "info", "mine"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1:8] == [
        "train            36 rows",
        "val              12 rows",
        "test             12 rows",
        "tasks            score (explained), kind (classification)",
        *lines,
    ]
    assert main(["protocol", "mine"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("labels ") and "score" in line] == lines
