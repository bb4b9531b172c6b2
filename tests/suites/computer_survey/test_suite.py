"""Computer buyers: fifteen of twenty ratings train."""

from pathlib import Path

from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from tests.suites.matlab_files import SHORT, write_survey


def test_people_keep_fifteen_computers(tmp_path: Path) -> None:
    write_survey(tmp_path)
    _, suite = parse_suite("computer_survey", tmp_path)
    assert suite.input_shape == (13,)
    assert suite.protocol.splits == {"train": 90, "test": 30}
    [spec] = plan("computer_survey", ["hard"], [0], SHORT, data_dir=tmp_path)
    record = fit(spec, tmp_path)
    assert record.status == "done", record.error
    assert record.statistics["val"]["pooled"]["count"] == 30
