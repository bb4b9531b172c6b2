"""Probes as a network trains: what a record has of them, and that they change nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bench.core.data import Dataset
from bench.planning.plan import plan
from bench.records import RunSpec
from bench.training.checkpoint import Checkpoint
from bench.training.fit import Run, fit
from bench.training.load import load_run
from bench.training.prober import measure_blocks, score_linear_fit
from bench.training.stacked.seeds import fit_stacked
from leaderboard.trust.ranges import find_out_of_range


def plan_runs(suite: str, method: str, seeds: int = 1, **settings: str) -> list[RunSpec]:
    return plan(suite, [method], list(range(seeds)), {"epochs": "4", **settings})


@pytest.mark.parametrize("method", ["hard", "cross_stitch", "soft+l2", "mmoe"])
def test_a_probed_run_has_the_scores_of_one_that_is_not(method: str) -> None:
    [spec] = plan_runs("mechanisms:eavesdropping", method)
    probed, plain = fit(spec, probed=True), fit(spec)
    assert probed.statistics == plain.statistics
    assert probed.curves == plain.curves
    assert plain.probes is None
    assert probed.probes
    assert probed.probes.epochs == [1, 2, 3, 4]
    assert set(probed.probes.decodable) == {"F", "wave"}
    assert not find_out_of_range(probed)


def test_sharing_over_time_ends_where_effective_sharing_is() -> None:
    [spec] = plan_runs("deep_synthetic:tasks=3", "soft+l2")
    record = fit(spec, probed=True)
    assert record.probes
    assert {name: path[-1] for name, path in record.probes.sharing.items()} == record.effective_sharing
    assert len(set(record.probes.sharing["0.0.weight"])) > 1


def test_stacked_seeds_are_probed_as_they_are_one_by_one() -> None:
    specs = plan_runs("mechanisms:eavesdropping", "soft+l2", 2)
    for stacked, spec in zip(fit_stacked(specs, probed=True), specs, strict=True):
        alone = fit(spec, probed=True).probes
        assert alone
        assert stacked.probes
        for feature, of_task in alone.decodable.items():
            for task, path in of_task.items():
                assert_allclose(stacked.probes.decodable[feature][task], path, atol=2e-3)
        assert_allclose(stacked.probes.sharing["0.0.weight"], alone.sharing["0.0.weight"], atol=1e-3)


def test_what_was_found_before_a_kill_is_kept(tmp_path: Path) -> None:
    [spec] = plan_runs("mechanisms:eavesdropping", "hard")

    class Killed(Exception):
        """In the middle of a run."""

    def kill(done: int, _: int) -> None:
        if done == 3:
            raise Killed

    whole = fit(spec, probed=True).probes
    checkpoint = Checkpoint(tmp_path / "kept.ckpt", 0)
    suite, method, _ = load_run(spec, None)
    with pytest.raises(Killed):
        Run(spec, suite, method, probed=True).train(kill, checkpoint)
    assert (tmp_path / "kept.ckpt").exists()
    assert fit(spec, checkpoint=Checkpoint(tmp_path / "kept.ckpt", 0), probed=True).probes == whole


def test_thinned_epochs_end_with_the_last() -> None:
    [spec] = plan_runs("mechanisms:parity", "hard", epochs="101", steps_per_epoch="1")
    record = fit(spec, probed=True)
    assert record.probes
    assert record.probes.epochs == [*range(3, 100, 3), 101]


def test_a_linear_fit_is_scored_on_rows_that_it_has_not_seen() -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((30, 4))
    truth = features @ generator.standard_normal(4) + generator.standard_normal(30)
    columns = np.column_stack([features, np.ones(30)])
    missed = 0.0
    for row in range(30):
        others = np.arange(30) != row
        weights, *_ = np.linalg.lstsq(columns[others], truth[others], rcond=None)
        missed += (truth[row] - columns[row] @ weights) ** 2
    expected = 1 - missed / ((truth - truth.mean()) ** 2).sum()
    assert score_linear_fit(features, truth) == pytest.approx(expected, abs=1e-4)
    # As many columns as rows fit anything, and predict nothing.
    assert score_linear_fit(generator.standard_normal((20, 40)), generator.standard_normal(20)) < 0.2


def test_a_block_that_nothing_depends_on_costs_nothing() -> None:
    [spec] = plan_runs("mechanisms:eavesdropping", "hard")
    suite, method, _ = load_run(spec, None)
    run = Run(spec, suite, method)
    with torch.no_grad():
        run.model.sharing.trunk[0][0].weight[:, 3:] = 0  # type: ignore[union-attr, index]
    x = torch.randn(200, 10, generator=torch.Generator().manual_seed(1))
    y = x[:, :1]
    rows = Dataset(dict.fromkeys(("t1", "t2"), x), dict.fromkeys(("t1", "t2"), y))
    found = measure_blocks(run.model, rows, {"used": [0, 1, 2], "idle": [3, 4]}, run.module.state)
    assert found["idle"] == {"t1": 0.0, "t2": 0.0}
    assert all(abs(rise) > 1e-4 for rise in found["used"].values())


def test_biased_tasks_use_the_block_that_they_have_in_common() -> None:
    specs = plan("mechanisms:bias", ["hard"], [0, 1], {})
    for record in fit_stacked(specs, probed=True):
        assert record.probes
        assert set(record.probes.blocks) == {"A", "B", "C"}
        for task in ("t1", "t2"):
            assert record.probes.blocks["A"][task] > record.probes.blocks["B"][task]
            assert record.probes.blocks["A"][task] > record.probes.blocks["C"][task]
