"""Landmines: both classes in every field and part, and labels by name."""

from pathlib import Path

import pytest

from bench.errors import DataMissing
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from tests.suites.matlab_files import SHORT, write_landmine


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
    assert record.find_problems() == []
    assert record.tasks == ["field01", "field02"]
    assert all(record.scores["val"][task]["auc"] > 75 for task in record.tasks)


def test_a_field_of_one_class_is_refused(tmp_path: Path) -> None:
    write_landmine(tmp_path, few=True)
    with pytest.raises(DataMissing, match=r"^Field 2 of LandmineData.mat should have 2 mines .* Found 1 and 40\.$"):
        parse_suite("landmine", tmp_path)[1].dataset("train", 0)


def test_labels_of_landmines_are_named(tmp_path: Path) -> None:
    write_landmine(tmp_path, (1, 2))
    with pytest.raises(DataMissing, match=r"^`label` of LandmineData\.mat should be 0 .* or -1 and 1\. Found 1, 2;"):
        parse_suite("landmine", tmp_path)[1].dataset("train", 0)
