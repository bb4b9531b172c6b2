"""The robot arm: test rows inside the training file are left out."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from bench.check import check
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from tests.suites.matlab_files import SHORT, write_sarcos


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
