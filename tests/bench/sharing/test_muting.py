"""Muted sharings: nothing of one task reaches another, over whole runs, and everything else stays."""

import pytest
import torch
from torch import Tensor

from bench.catalogue.registry import find_entry, list_entries
from bench.check.muted import _check_cut, _move
from bench.check.outcome import Broken
from bench.check.trial import list_moments, make_setting
from bench.core.sharing import Blueprint, Sharing
from bench.core.state import TrainState
from bench.toolbox.muting import deal_out, list_reads
from tests.conftest import make_run, train_run

SUITE = "synthetic:tasks=3,train=24"
MUTED = sorted(name for name, entry in list_entries("sharing").items() if "muted" in entry.options)
FORMS = [  # of muted methods; with the phases, units and numbers of experts that have ways of their own
    *(f"{name}:muted=1" for name in MUTED),
    "adatt:experts=2,muted=1",
    "cgc:muted=1,own=0,shared=4",
    "cross_stitch:as=libmtl,muted=1",
    "cross_stitch:as=mtan,muted=1",
    "cross_stitch:muted=1,per=channel,warm=0.5",
    "cross_stitch:muted=1,rows=normalised",
    "dselect_k:experts=7,muted=1",
    "mmoe:experts=4,muted=1",
    "ple:levels=3,muted=1,own=2,shared=2",
    "sluice:muted=1,subspaces=1",
]


def trained(method: str, **settings: str) -> dict[str, Tensor]:
    """task -> predictions on 32 rows after 6 updates."""
    settings = {"lr": "0.001", "epochs": "2", "steps_per_epoch": "3", "batch_size": "8"} | settings
    run = make_run(method, SUITE, **settings)
    rows = run.data("val")
    model = train_run(run).eval()
    inputs, _ = rows.take([torch.arange(32) % len(x) for x, _ in rows.groups])
    with torch.no_grad():
        return model(inputs, run.module.state)  # type: ignore[no-any-return]


def test_these_can_be_muted() -> None:
    assert MUTED == ["adatt", "cgc", "cross_stitch", "dselect_k", "mmoe", "nddr", "ple", "sluice"]


def test_whatever_shares_has_a_twin() -> None:
    without = {name for name, entry in list_entries("sharing").items() if not entry.cls.twin}  # type: ignore[attr-defined]
    assert without == {"gp_single", "single_task", "single_task_narrow", "single_task_wide"}


@pytest.mark.parametrize("method", FORMS)
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_a_muted_run_of_a_task_does_not_know_the_targets_of_others(method: str, optimiser: str) -> None:
    plain, other = (trained(method, optimiser=optimiser, **more) for more in ({}, {"shuffled": "task01"}))
    assert torch.equal(plain["task00"], other["task00"])
    assert torch.equal(plain["task02"], other["task02"])
    assert not torch.equal(plain["task01"], other["task01"])


@pytest.mark.parametrize("method", FORMS)
def test_the_original_does_know_them(method: str) -> None:
    original = ",".join(part for part in method.replace(":", ",").split(",") if part != "muted=1").replace(",", ":", 1)
    plain, other = (trained(original, **more) for more in ({}, {"shuffled": "task01"}))
    assert not torch.equal(plain["task00"], other["task00"])


@pytest.mark.parametrize("name", MUTED)
def test_the_rule_finds_the_path_in_the_original(name: str) -> None:
    at = make_setting("synthetic:tasks=2,train=16")
    sharing: Sharing = find_entry("sharing", name).build(Blueprint(at.suite, 0)).double()
    _move(sharing, {key: torch.ones_like(p) for key, p in sharing.named_parameters()})
    with pytest.raises(Broken, match="no parameter should serve two tasks"):
        _check_cut(sharing, list_moments(sharing)[-1], at, "muted=1")


def test_what_is_read_at_the_places_of_others() -> None:
    assert list_reads([0, 1, 0], 2, muted=0) == [(0, 1, 2), (0, 1, 2)]
    assert list_reads([0, 1, 0], 2, muted=1) == [(0, 0, 2), (1, 1, 1)]
    assert list_reads([0, 0, 1, 1], 2, muted=1) == [(0, 1, 0, 1), (2, 3, 2, 3)]
    assert list_reads(range(3), 3, muted=1) == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
    assert deal_out(5, 3) == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("method", ["mmoe:experts=2,muted=1", "cgc:muted=1,own=0", "dselect_k:experts=1,muted=1"])
def test_a_task_without_an_expert_cannot_be_muted(method: str) -> None:
    with pytest.raises(ValueError, match="`muted` should be 0 where tasks outnumber experts"):
        make_run(method, SUITE)


def test_one_gate_for_all_cannot_be_muted() -> None:
    with pytest.raises(ValueError, match="`muted` should be 0 with `gates = one`"):
        make_run("mmoe:gates=one,muted=1", SUITE)


@pytest.mark.parametrize("per", ["layer", "channel"])
def test_a_muted_stitch_is_a_gain_of_the_sum_of_its_row(per: str) -> None:
    unit = make_run(f"cross_stitch:muted=1,per={per}", SUITE).model.sharing.units[0]
    with torch.no_grad():
        unit.alpha.copy_(torch.rand(unit.alpha.shape, generator=torch.Generator().manual_seed(0)))
    features = [torch.randn(5, unit.alpha.shape[-1] if per == "channel" else 4).double() for _ in range(3)]
    for x, mixed, row in zip(features, unit(features), unit.alpha, strict=True):
        assert torch.allclose(mixed, row.sum(dim=0) * x, atol=1e-12)


def test_tied_towers_start_as_the_original() -> None:
    """Where towers are equal it is the same whose features are read."""
    for name in ("cross_stitch", "nddr", "sluice", "adatt"):
        runs = [make_run(text, SUITE) for text in (name, f"{name}:muted=1")]
        x = runs[0].data("val").groups[0][0][:8].double()
        features = [run.model.sharing(dict.fromkeys(run.model.sharing.tasks, x), TrainState()) for run in runs]
        for task in features[0]:
            assert torch.allclose(features[0][task], features[1][task], atol=1e-12)
