"""Divisions by group, time and file have what scores need, as random ones have."""

from pathlib import Path

import numpy as np
import pytest

from suites._own.division import MOST_DRAWN, divide_by_group, draw_whole, find_lack
from tests.suites._own.small_csv import ROWS, Importer, make_rows, write_csv

pytest.importorskip("polars")


def test_a_class_that_training_lacks_is_refused_for_every_division(importer: Importer, tmp_path: Path) -> None:
    """The latest rows alone are of one class: random rows hold it in training, no division by time does."""
    days = (np.datetime64("2024-01-01") + np.arange(ROWS)).astype(str).tolist()
    kinds = ["x", "y"] * (ROWS // 2 - 2) + ["late"] * 4
    path = write_csv(tmp_path / "t.csv", make_rows(day=days, kind=kinds))
    said = importer.refuse(path, "--targets", "kind", "--time", "day")
    assert "and the training split every class. Found a class of `kind` without a row in `train`, of 60 rows" in said
    assert importer.answer(path, "--targets", "kind")["splits"] == {"train": 36, "val": 12, "test": 12}


def test_a_class_of_one_group_is_trained_on(importer: Importer, tmp_path: Path) -> None:
    """Of the groups that hold a class, one at least is drawn for training, whatever the seed."""
    schools = [f"s{k % 12}" for k in range(ROWS)]
    kinds = ["rare" if school in ("s0", "s1") else "xy"[k % 2] for k, school in enumerate(schools)]
    path = write_csv(tmp_path / "t.csv", make_rows(school=schools, kind=kinds))
    for seed in range(6):
        importer.answer(path, "--targets", "kind", "--group", "school", "--split-seed", str(seed), "--replace")
        folder = tmp_path / "data" / "own" / "mine"
        sizes = importer.answer(path, "--targets", "kind", "--group", "school", "--dry-run")["splits"]
        stored = np.load(folder / "target_kind.npy")
        assert set(stored[: sizes["train"]].tolist()) == {0, 1, 2}
    one = ["rare" if school == "s0" else "xy"[k % 2] for k, school in enumerate(schools)]
    path = write_csv(tmp_path / "u.csv", make_rows(school=schools, kind=one))
    answer = importer.answer(path, "--targets", "kind", "--group", "school", "--replace")
    assert sum(answer["splits"].values()) == ROWS


def test_the_first_division_without_a_lack_is_taken() -> None:
    groups = np.arange(60) // 5
    first = divide_by_group(groups, (0.6, 0.2, 0.2), 0, lambda parts: "")
    asked: list[int] = []

    def find(parts: dict[str, np.ndarray]) -> str:
        asked.append(len(parts["train"]))
        return "something" if len(asked) < 3 else ""

    third = divide_by_group(groups, (0.6, 0.2, 0.2), 0, find)
    assert len(asked) == 3
    assert not np.array_equal(first["train"], third["train"])
    assert sorted(np.concatenate(list(third.values())).tolist()) == list(range(60))
    tried: list[int] = []
    with pytest.raises(ValueError, match="a lack"):  # of large tables few are tried, each of which takes a second
        draw_whole(MOST_DRAWN // 12, lambda attempt: tried.append(attempt) or {}, lambda parts: "a lack")
    assert tried == list(range(12))


def test_what_a_division_lacks_is_said() -> None:
    targets = np.array([[0.0], [0.0], [1.0], [1.0], [2.0], [np.nan]])
    parts = {"train": np.array([0, 2]), "val": np.array([1, 3]), "test": np.array([4])}
    assert find_lack(targets, ["class"], ["c"], parts) == "a class of `c` without a row in `train`"
    assert find_lack(targets, ["count"], ["c"], parts) == ""
    assert find_lack(targets, ["real"], ["c"], parts) == "only one value of `c` in `test`"
    assert find_lack(targets, ["class"], ["c"], parts | {"test": np.array([5])}) == "no label of `c` in `test`"
