"""All runs as files: CSV, JSON, Parquet and the data frame have the same value in every cell."""

import gzip
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import mtlbench as mb
from bench.cli.main import main
from bench.errors import UsageError
from bench.records import ResultRecord
from leaderboard.analysis.run_rows import RunRow, list_run_rows
from leaderboard.export import run_files
from leaderboard.export.columns import list_run_columns
from leaderboard.export.record_file import format_record_file
from leaderboard.export.run_files import compress_bytes, find_run_writer, format_runs_csv, format_runs_json
from leaderboard.store import Store

MakeRecord = Callable[..., ResultRecord]
TEXTS = [column.name for column in list_run_columns() if column.kind is str]


@pytest.fixture
def store(tmp_path: Path, three_methods: list[ResultRecord], make_record: MakeRecord) -> Path:
    """Runs with every oddity of a table: a failure, a text with commas, quotes and line breaks, missing numbers."""
    odd = make_record("odd", 7, {"left": 100 / 3, "right": 0.1}, changed={"lr": 0.5}, overrides={"lr": 0.5})
    failed = make_record("gone", 1, failed=True)
    told = failed.error.model_copy(update={"message": 'the "loss", as it was,\nwas not finite \u2265 1'})  # type: ignore[union-attr]
    failed = failed.model_copy(update={"error": told}).seal()
    for record in [*three_methods, odd, failed]:
        Store(tmp_path / "runs").write(record)
    return tmp_path / "runs"


def read_csv(content: bytes) -> pd.DataFrame:
    """As the page of the data says, and texts that there are not as empty texts."""
    frame = pd.read_csv(io.BytesIO(content), float_precision="round_trip")
    return frame.fillna(dict.fromkeys(TEXTS, ""))


def test_every_file_has_the_cells_of_the_frame(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    names = [str(tmp_path / f"runs{ending}") for ending in run_files.RUN_WRITERS]
    assert main(["export", *names, "--store", str(store)]) == 0
    frame = mb.load_results(store)
    assert len(frame) == 30
    assert frame.failure.str.contains('"loss", as it was,\nwas not').sum() == 2
    assert frame.gain.isna().any()
    assert frame.gain.notna().any()
    found = {
        "csv": read_csv((tmp_path / "runs.csv").read_bytes()),
        "csv.gz": read_csv(gzip.decompress((tmp_path / "runs.csv.gz").read_bytes())),
        "json": pd.DataFrame(json.loads((tmp_path / "runs.json").read_text())),
        "json.gz": pd.DataFrame(json.loads(gzip.decompress((tmp_path / "runs.json.gz").read_bytes()))),
        "parquet": pd.read_parquet(tmp_path / "runs.parquet"),
    }
    for name, table in found.items():
        assert list(table.columns) == list(RunRow._fields), name
        for column in list_run_columns():
            cells, wanted = table[column.name].tolist(), frame[column.name].tolist()
            same = [a == b or ((a != a or a is None) and b != b) for a, b in zip(cells, wanted, strict=True)]
            assert all(same), (name, column.name)
            if name in ("csv", "parquet"):
                assert table[column.name].dtype.kind == frame[column.name].dtype.kind, (name, column.name)


def test_numbers_keep_every_digit_and_what_is_not_finite_is_missing(three_methods: list[ResultRecord]) -> None:
    row = next(list_run_rows(three_methods))._replace(value=0.1 + 0.2, error=5e-324, gain=math.inf, epoch=1e22)
    head, line = format_runs_csv([row]).decode().splitlines()
    cells = dict(zip(head.split(","), line.split(","), strict=False))
    assert (cells["value"], cells["error"], cells["gain"], cells["epoch"]) == (
        "0.30000000000000004",
        "5e-324",
        "",
        "1e+22",
    )
    [read] = json.loads(format_runs_json([row]))
    assert (read["value"], read["error"], read["gain"]) == (0.1 + 0.2, 5e-324, None)


def test_no_rows_are_a_head(tmp_path: Path) -> None:
    assert format_runs_csv([]).decode().strip().split(",") == list(RunRow._fields)
    assert json.loads(format_runs_json([])) == []
    pytest.importorskip("pyarrow")
    empty = pd.read_parquet(io.BytesIO(run_files.format_runs_parquet([])))
    assert (len(empty), list(empty.columns)) == (0, list(RunRow._fields))


def test_equal_rows_are_equal_bytes(three_methods: list[ResultRecord]) -> None:
    pytest.importorskip("pyarrow")
    rows = list(list_run_rows(three_methods))
    for ending, write in run_files.RUN_WRITERS.items():
        assert write(rows) == write(list(rows)), ending
    assert compress_bytes(b"x")[4:8] == b"\0\0\0\0"  # the time in the head of gzip


def test_every_column_says_what_it_is() -> None:
    columns = list_run_columns()
    assert [column.name for column in columns] == list(RunRow._fields)
    assert all(column.text.endswith(".") and len(column.text) > 5 for column in columns)
    assert {column.kind for column in columns} == {str, int, float, bool}


def test_a_record_as_a_file_is_the_record(store: Path, tmp_path: Path) -> None:
    """Put into a store under its name, it is read as the same run with the same digest."""
    for record in Store(store).read().records:
        place = tmp_path / "copy" / Store(store).path(record.spec).relative_to(store)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(format_record_file(record))
        own = json.loads(Store(store).path(record.spec).read_text())
        assert json.loads(place.read_text()) == own
    contents = Store(tmp_path / "copy").read()
    assert contents.problems == []
    assert {r.digest for r in contents.records} == {r.digest for r in Store(store).read().records}


def test_some_runs_and_all_rules(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "hard.json")
    assert main(["export", target, "--store", str(store), "--method", "hard", "--selection", "all"]) == 0
    assert "hard.json: 5 runs, 30 rows" in capsys.readouterr().err
    rows = json.loads(Path(target).read_text())
    assert {row["method"] for row in rows} == {"hard"}
    assert {row["selection"] for row in rows} == {"val", "per_task", "last"}
    assert all(row["gain"] is not None for row in rows)  # the reference is found where it is not asked for
    assert main(["export", "-", "--store", str(store), "--suite", "toy"]) == 0
    assert capsys.readouterr().out.encode() == format_runs_csv(list(list_run_rows(Store(store).read().records)))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["runs.txt"], "A file of runs should end as its format does. Found `runs.txt`; there are `.csv`"),
        (["runs.cvs"], "Found `runs.cvs`; the nearest: `.csv`"),
        (["runs"], "Found `runs`; there are"),
        (["nowhere/runs.csv"], "`nowhere/runs.csv` should be a file that can be written. Found no folder to hold it"),
        (["-", "--suite", "tyo"], "`suite` should be one that runs are of. Found `tyo`; "),
        (["-", "--method", "hrad"], "`method` should be one that runs are of. Found `hrad`; the nearest: `hard`"),
    ],
)
def test_what_cannot_be_written_is_said(
    store: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *words, "--store", str(store)]) == 2
    assert sentence in capsys.readouterr().err


def test_without_pyarrow_the_sentence_names_what_brings_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_files, "find_spec", lambda name: None)
    assert main(["export", "runs.parquet", "--store", str(store)]) == 2
    assert "pip install 'mtlbench[tables]'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="pyarrow"):
        find_run_writer("runs.parquet")([])
