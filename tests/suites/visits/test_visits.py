"""visits: schedules, columns and splits are those that are said, and a run ends with a certificate."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.cli.main import main
from bench.errors import DataMissing, UsageError
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from suites.visits.encoding import encode_patients
from suites.visits.reading import PatientVisits, VisitTable, read_visits
from tests.suites.visits.tables import HEAD, MONTHS, write_lines


def keep(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "visits" / "visits.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_table(*scores: dict[float, float], copies: int = 20) -> VisitTable:
    patients = {
        f"{k}/{copy}": PatientVisits(2, [float(copy)], each) for k, each in enumerate(scores) for copy in range(copies)
    }
    return VisitTable("v.csv", ("x",), patients)


def test_a_visit_belongs_to_the_nearest_scheduled_month() -> None:
    table = make_table({0.0: 1, 2.0: 2, 3.0: 3, 5.0: 4, 9.0: 5, 14.0: 6, 18.0: 7, 100.0: 8})
    scores = encode_patients(table, (0, 6, 12)).scores
    assert scores[0].tolist() == [1, 4, 6]  # 9 is half of the way: of 12; 14 is nearer
    other = make_table({0.0: 1, 4.0: 2, 9.0: 5, 20.0: 7}, {0.0: np.nan, 7.0: 3, 11.0: 9})
    arrays = encode_patients(other, (6, 12))
    assert arrays.scores[0].tolist() == [2, 5]
    assert arrays.scores[-1].tolist() == [3, 9]
    assert arrays.columns == ("x", "score missing")  # all that are known are 1
    with pytest.raises(
        UsageError, match=r"`v\.csv` should have scores of 20 patients or more around month 48\. Found 0"
    ):
        encode_patients(other, (6, 48))


def test_columns_of_features() -> None:
    values = [["f", 1.0, None, "a", 7.0], ["m", 2.0, 3.0, "b", 7.0], ["f", None, 5.0, None, 7.0]] * 10
    patients = {str(k): PatientVisits(2, list(row), {0.0: 1.0, 6.0: 2.0}) for k, row in enumerate(values)}
    arrays = encode_patients(VisitTable("v.csv", ("sex", "x", "y", "site", "same"), patients), (0, 6))
    assert arrays.columns == ("sex=m", "x", "x missing", "y", "y missing", "site=b", "site missing")
    assert np.array_equal(arrays.inputs[:, 0], [0, 1, 0] * 10)
    assert np.array_equal(
        np.isnan(arrays.inputs[:3]), np.array([[0, 0, 0, 1, 0, 0, 0], [0] * 7, [0, 1, 0, 0, 0, 0, 0]])
    )


def test_patients_are_divided_and_scaled_as_is_said(tmp_path: Path) -> None:
    path = keep(tmp_path, write_lines())
    _, suite = parse_suite("visits", tmp_path)
    assert [task.name for task in suite.tasks] == [f"month{month}" for month in MONTHS]
    assert suite.input_shape == (3,)
    assert suite.protocol.splits == {"train": 45, "test": 15}
    assert suite.protocol.overlapping
    train, test = suite.dataset("train", 3), suite.dataset("test", 3)
    inputs = train.inputs["month0"]
    assert len(train.groups) == 1
    assert torch.allclose(inputs.mean(dim=0), torch.zeros(3), atol=1e-6)
    assert torch.allclose(inputs.std(dim=0, correction=0), torch.ones(3), atol=1e-5)
    every = torch.cat(list(train.targets.values()))
    known = every[~every.isnan()]
    assert float(known.mean()) == pytest.approx(0, abs=1e-6)
    assert float(known.std(correction=0)) == pytest.approx(1, rel=1e-5)
    # Every score of the file is in one of the splits, in its unit.
    unit = train.units["month12"]
    back = torch.cat([data.targets["month12"] for data in (train, test)]).double() * unit.scale + unit.shift  # type: ignore[union-attr]
    table = read_visits(path)
    wanted = sorted(patient.scores[12.0] for patient in table.patients.values() if 12.0 in patient.scores)
    assert sorted(back[~back.isnan()].tolist()) == pytest.approx(wanted, abs=1e-4)
    assert not torch.equal(suite.dataset("train", 4).inputs["month0"], inputs)
    assert len(parse_suite("visits:months=6/12", tmp_path)[1].tasks) == 2
    assert parse_suite("visits:months=6/12", tmp_path)[1].input_shape == (4,)  # the score at month 0, too


def test_a_table_is_prepared_and_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From any name, by the command; the models are certified, and beat the mean of the months that they predict."""
    source, data = tmp_path / "mine.csv", tmp_path / "data"
    source.write_text("\n".join(write_lines()), encoding="utf-8")
    assert main(["data", "prepare", "visits", "--source", str(source), "--data-dir", str(data)]) == 0
    assert "visits.csv: copied" in capsys.readouterr().out
    for method in ("single_task", "soft+cfsgl:fuse=1.0", "soft+tgl:smooth=1.0"):
        [spec] = plan("visits", [method], [0], {"folds": "2", "strengths": "4"}, data_dir=data)
        record = fit(spec, data_dir=data)
        assert record.status == "done", record.error
        assert record.find_problems() == []
        assert record.solution is not None
        assert record.solution.met
        assert record.solution.certificate == ("residual" if method == "single_task" else "gap")
        assert record.scores["val"]["month48"]["explained_variance"] > 50


def test_a_wrong_table_is_refused_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, data = write_lines(), tmp_path / "data"
    source = tmp_path / "mine.csv"
    source.write_text("\n".join([*lines, lines[-1]]), encoding="utf-8")
    assert main(["data", "prepare", "visits", "--source", str(source), "--data-dir", str(data)]) != 0
    told = capsys.readouterr().err
    assert (
        f"`mine.csv` should have one visit at a month. Found month 24 in line {len(lines)}" in told
        or "again in line" in told
    )
    assert not (data / "visits" / "visits.csv").exists()
    keep(tmp_path, [HEAD, "a,6,1,70,f,1"])
    _, suite = parse_suite("visits", tmp_path)
    assert suite.data_status()["visits.csv"].startswith("damaged (The first visit of patient `a` in `visits.csv`")
    with pytest.raises(DataMissing, match="in line 2"):
        suite.dataset("train", 0)


@pytest.mark.parametrize("months", ["12", "12/6", "6/6"])
def test_months_that_are_no_schedule(months: str) -> None:
    with pytest.raises(UsageError, match="`months` should be two or more, ascending"):
        parse_suite(f"visits:months={months}")
