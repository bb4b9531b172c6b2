"""The committed records against the code as it is: the same digits on the same kind of machine and versions."""

import pytest
import torch

from bench.training.environment import hardware, versions
from bench.training.fit import fit
from leaderboard.store import StoreContents

NUMBERS = ("run_id", "data", "statistics", "scores", "selection", "curves", "matrices", "effective_sharing")


@pytest.mark.parametrize("method", ["cross_stitch", "soft+l2:halflife=1000.0"])
def test_a_committed_run_comes_out_the_same(method: str, committed_contents: StoreContents) -> None:
    torch.set_num_threads(1)
    records = {
        record.method: record
        for record in committed_contents.records
        if record.suite == "multidigits" and record.spec.seed == 0 and record.spec.tuning is None
        if record.spec.protocol.version == 1 and not record.spec.overrides
    }
    committed = records[method]
    assert committed.cost is not None
    if committed.cost.hardware != hardware(torch.device("cpu")) or committed.environment != versions():
        pytest.skip("the record was made on another kind of machine or with other versions")
    fresh = fit(committed.spec)
    assert {name: getattr(fresh, name) for name in NUMBERS} == {name: getattr(committed, name) for name in NUMBERS}
