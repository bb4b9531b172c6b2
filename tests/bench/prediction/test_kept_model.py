"""A kept model is what the test split was scored with: its predictions have the record's scores to the last digit."""

import json

import pytest
import torch

from bench.errors import UsageError
from bench.training.kept_model import KeptModel, ModelKeeper, read_card, read_weights
from bench.training.rebuild import explain_other_versions, rebuild_model
from bench.training.stacked.seeds import fit_stacked
from tests.bench.prediction.kept import (
    QUICK,
    fit_and_keep,
    forget_seeds,
    main_rule,
    plan_quick,
    read_again,
    score_test_split,
    scores_of,
)

# What differs in how a model is made: separate models, copies as offsets or sums, phases that change the model, extra
# state, an ensemble, other precision, rows of the tasks' own, images, pools.
CELLS = [
    ("synthetic:tasks=3", "single_task", {}),
    ("synthetic:tasks=3", "hard:split=1@uncertainty", {}),
    ("synthetic:tasks=2", "cross_stitch@dwa", {}),
    ("synthetic:tasks=2", "soft+l2:form=offset", {"coordinates": "copies"}),
    ("synthetic:tasks=2", "soft+l2:halflife=10", {}),
    ("synthetic:tasks=2", "soft+dirty", {}),
    ("synthetic:tasks=2", "learn_to_branch", {}),
    ("synthetic:tasks=2", "adashare", {}),
    ("synthetic:tasks=2", "hard", {"members": "2"}),
    ("synthetic:tasks=2", "hard", {"precision": "float64"}),
    ("synthetic:tasks=2,inputs=own", "mmoe", {}),
    ("multidigits", "hard", {}),
]


@pytest.mark.parametrize(("suite", "method", "settings"), CELLS, ids=[f"{s} {m} {list(o)}" for s, m, o in CELLS])
def test_predictions_of_the_test_split_have_the_scores_of_the_record(
    suite: str, method: str, settings: dict[str, str]
) -> None:
    spec = plan_quick(suite, method, **QUICK, **settings)
    record, model = fit_and_keep(spec)
    forget_seeds()
    rebuilt = read_again(model)
    statistics = score_test_split(spec, rebuilt)
    assert statistics == record.statistics[main_rule(record)]
    assert scores_of(record, statistics) == record.scores[main_rule(record)]
    assert len(rebuilt.predictors) == len(set(rebuilt.card.epochs.values()))
    assert all(len(epochs) == int(settings.get("members", 1)) for epochs in rebuilt.predictors)


@pytest.mark.parametrize("method", ["hard", "single_task", "soft+l2:strength=1"])
def test_so_have_those_of_a_solved_model(method: str) -> None:
    spec = plan_quick("linear_synthetic", method)
    record, model = fit_and_keep(spec)
    statistics = score_test_split(spec, read_again(model))
    assert statistics == record.statistics["val"]


def test_a_gaussian_process_keeps_none_and_says_so() -> None:
    pytest.importorskip("gpytorch")
    spec = plan_quick("linear_synthetic:tasks=6,train=5", "gp_single")
    _, model = fit_and_keep(spec)
    assert model.weights == b""
    assert "training rows" in model.card.refused


def test_the_flag_changes_no_number_and_no_run_id() -> None:
    spec = plan_quick("synthetic:tasks=2", "hard", **QUICK)
    with_model, _ = fit_and_keep(spec)
    from bench.training.fit import fit

    without = fit(spec)
    assert without.run_id == with_model.run_id
    assert without.statistics == with_model.statistics
    assert without.curves == with_model.curves


def test_stacked_seeds_keep_a_model_each() -> None:
    first = plan_quick("synthetic:tasks=2", "hard", **QUICK)
    specs, keepers = [first, first.vary(seed=1)], [ModelKeeper(), ModelKeeper()]
    records = fit_stacked(specs, keepers=keepers)
    for spec, record, keeper in zip(specs, records, keepers, strict=True):
        assert "stacked" in record.cost.hardware
        assert keeper.model is not None
        assert score_test_split(spec, read_again(keeper.model)) == record.statistics["val"]


@pytest.fixture(scope="module")
def model() -> KeptModel:
    return fit_and_keep(plan_quick("synthetic:tasks=2", "hard", **QUICK))[1]


def test_a_trial_keeps_none() -> None:
    from bench.records.spec import Tuning
    from bench.training.fit import fit

    spec = plan_quick("synthetic:tasks=2", "hard", **QUICK).vary(tuning=Tuning(of="hard", trial=0, stage="trial"))
    keeper = ModelKeeper()
    assert fit(spec, keeper=keeper).status == "done"
    assert keeper.model is None


def test_a_damaged_file_is_one_sentence(model: KeptModel) -> None:
    card = read_card(model.card.as_text().encode(), "card")
    spoilt = bytearray(model.weights)
    spoilt[-1] ^= 1
    with pytest.raises(ValueError, match="`w` should be as it was written, with SHA-256"):
        read_weights(card, bytes(spoilt), "w")
    for content in (b"", b"{}", b"not JSON", model.card.as_text().replace('"form": 1', '"form": 9').encode()):
        with pytest.raises(ValueError, match=r"`c` should describe a trained model\. Found .* run it again"):
            read_card(content, "c")
    other = json.loads(model.card.as_text())
    other["spec"]["seed"] = 5
    with pytest.raises(ValueError, match="should be of the run that its specification names"):
        read_card(json.dumps(other).encode(), "c")


def test_another_version_of_a_part_is_refused(model: KeptModel) -> None:
    card = read_card(model.card.as_text().encode(), "card")
    weights = read_weights(card, model.weights, "weights")
    older = card.model_copy(update={"spec": card.spec.vary(versions={**card.spec.versions, "sharing/hard": 7})})
    with pytest.raises(UsageError, match="`hard` should be of version 7, as the model was trained with"):
        rebuild_model(older, weights)
    less = {name: tensor for name, tensor in weights.items() if "heads" not in name}
    with pytest.raises(ValueError, match=r"should fit its heads\. Found .*Missing"):
        rebuild_model(card, less)


def test_other_packages_are_named(model: KeptModel) -> None:
    assert explain_other_versions(model.card) == ""
    environment = {**model.card.environment, "torch": "1.0.0"}
    told = explain_other_versions(model.card.model_copy(update={"environment": environment}))
    assert told.startswith(f"Trained under torch 1.0.0 (here {torch.__version__.partition('+')[0]}")


def test_state_that_is_neither_tensor_nor_json_is_refused(model: KeptModel) -> None:
    from bench.training.kept_model import _split_state

    tensors, extra = _split_state(
        {"sharing.w": torch.ones(2), "sharing._extra_state": {"a": [1]}, "weighting.x": set()}
    )
    assert list(tensors) == ["sharing.w"]
    assert extra == {"sharing._extra_state": {"a": [1]}}
    with pytest.raises(ValueError, match="neither a tensor nor a JSON value"):
        _split_state({"heads._extra_state": {1, 2}})
