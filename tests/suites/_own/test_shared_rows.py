"""Rows of a table that is divided once lie in its files alone: workers share them, and none holds a copy."""

from pathlib import Path

import pytest

from bench.planning.plan import parse_suite
from bench.training.rows import place_rows
from tests.suites._own.small_csv import TARGETS, Importer, make_rows, write_csv

pytest.importorskip("polars")


def find_file(address: int) -> str:
    """The file that is mapped at an address of this process; empty where memory is its own."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, *_, path = line.split(maxsplit=5) if line.count("/") else (line.split()[0], "")
        low, high = (int(bound, 16) for bound in bounds.split("-"))
        if low <= address < high:
            return path
    return ""


def test_a_run_reads_the_mapped_files(importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suites._own.table_import.REDRAWN", 30)
    columns = make_rows()
    columns["score"][::7] = [None] * len(columns["score"][::7])
    answer = importer.answer(write_csv(tmp_path / "t.csv", columns), "--targets", TARGETS)
    assert answer["split_rule"] == "60/20/20 % at random, once"
    suite = parse_suite("mine", tmp_path / "data")[1]
    for split in ("train", "val", "test"):
        rows = place_rows(suite.dataset(split, 0), suite.protocol)  # type: ignore[arg-type]
        for task in TARGETS.split(","):
            assert find_file(rows.inputs[task].data_ptr()) == str(Path(answer["folder"]) / "inputs.npy")
            assert find_file(rows.targets[task].data_ptr()) == str(Path(answer["folder"]) / f"target_{task}.npy")
