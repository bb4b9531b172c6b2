"""Records: the names and digests made from content, and what a changed record is caught by."""

import base64
import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from bench.records import (
    Cost,
    Curves,
    Failure,
    Packed,
    Protocol,
    ResultRecord,
    RunSpec,
    canonical_json,
    derive_seed,
    digest,
    slug,
)
from bench.scores import score

PROTOCOL: dict[str, Any] = {
    "name": "toy",
    "version": 1,
    "splits": {"train": 8, "test": 4},
    "split_rule": "in order",
    "epochs": 2,
    "steps_per_epoch": 3,
    "batch_size": 4,
    "optimiser": "sgd",
    "lr": 0.5,
    "schedule": "constant",
    "metrics": {"left": "classification", "right": "regression"},
}
SPEC: dict[str, Any] = {
    "suite": "toy:size=1",
    "method": "hard:split=none@uniform:reduction=sum",
    "seed": 3,
    "versions": {"sharing/hard": 1, "suite/toy": 1},
    "data": "d" * 64,
}


def spec(**changed: Any) -> RunSpec:
    """A specification in which every protocol setting that has a default keeps it."""
    return RunSpec(**({"protocol": Protocol(**PROTOCOL)} | SPEC | changed))


RULES = ("val", "per_task", "last")


def record() -> ResultRecord:
    """A finished record with every field filled; accuracy 75 % and rmse 1.5."""
    states = {"left": {"confusion": [[2, 1], [0, 1]]}, "right": {"count": 4, "squared_error": 9.0}}
    rules = dict.fromkeys(("val", "per_task", "last"), states)
    kinds = PROTOCOL["metrics"]
    return ResultRecord(
        run_id=spec(overrides={"lr": "0.5"}).run_id,
        suite="toy",
        method="hard",
        spec=spec(overrides={"lr": "0.5"}),
        status="done",
        tasks=["left", "right"],
        statistics=rules,
        scores={rule: {task: score(kinds[task], s) for task, s in tasks.items()} for rule, tasks in rules.items()},
        selection={rule: {"left": 1, "right": 2} for rule in rules},
        cost=Cost(
            parameters=7, forward_flops=9, step_ms=0.5, train_seconds=1.5, peak_memory_mb=99.5, hardware="cpu: x"
        ),
        data={"images": "e" * 64},
        environment={"python": "3.11"},
        curves=Curves(train_loss={"left": [0.5, None]}, val={"left": {"accuracy": [50.0, 75.0]}}),
        matrices={"stitch.0": Packed.pack(np.eye(2))},
        effective_sharing={"0.weight": 0.5},
        created="2026-01-02T03:04:05+00:00",
    ).seal()


# --- one text for one value --------------------------------------------------------------------


def test_canonical_json() -> None:
    text = '{"a":[1.5,"\\u00e9",null,true,1e-05],"b":{"c":1,"d":0.1}}'
    assert canonical_json({"b": {"d": 0.1, "c": 1}, "a": [1.5, "é", None, True, 1e-5]}) == text
    assert digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_canonical_json_has_no_text_for_what_is_not_finite(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": [1.0, {"b": number}]})


def test_derived_seeds_are_frozen_and_apart() -> None:
    """The literal is what every stored run was made with: another value means other weights and orders."""
    assert derive_seed(0, "head", "left") == int(hashlib.sha256(b'[0,"head","left"]').hexdigest()[:16], 16) // 2
    assert derive_seed(0, "head", "left") == 2029030660086911448
    paths = [(0,), (1,), ("0",), (0, "a"), (0, "b"), ("a", 0), (0, "a", 0), (0, "ab"), (0, "a", "b")]
    seeds = {derive_seed(*path) for path in paths}
    assert len(seeds) == len(paths)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_slugs() -> None:
    assert slug("hard:split=2@uniform") == "hard-split-2-uniform"
    assert slug("soft+l2:strength=0.001") == "soft-l2-strength-0.001"
    assert slug("../../etc/passwd") == "etc-passwd"
    long = [f"soft+l2:{'x' * 200},a={end}" for end in range(3)]
    assert all(len(slug(text)) <= 120 for text in long)
    assert len({slug(text) for text in long}) == 3


# --- the run id --------------------------------------------------------------------------------

CHANGED_SPEC: dict[str, Any] = {
    "suite": "toy:size=2",
    "method": "hard:split=1@uniform:reduction=sum",
    "seed": 4,
    "protocol": Protocol(**PROTOCOL | {"lr": 0.25}),
    "versions": {"sharing/hard": 2, "suite/toy": 1},
    "data": "e" * 64,
    "overrides": {"lr": "0.25"},
    "code": {"sharing/hard": "c" * 64},
    "tuning": {"of": "hard", "trial": 3, "stage": "final"},
}
CHANGED_PROTOCOL: dict[str, Any] = {
    "name": "toy2",
    "version": 2,
    "splits": {"train": 7, "test": 4},
    "split_rule": "shuffled",
    "epochs": 3,
    "steps_per_epoch": 4,
    "batch_size": 5,
    "optimiser": "adam",
    "lr": 0.25,
    "momentum": 0.9,
    "betas": (0.9, 0.99),
    "weight_decay": 0.1,
    "schedule": "cosine",
    "decay_every": 2,
    "decay_factor": 0.5,
    "clip_norm": 1.0,
    "augmentation": None,  # one value so far
    "shuffled": ("left",),
    "replica": "left",
    "smoothed": ("right",),
    "noised": ("right",),
    "restart": 1,
    "members": 2,
    "labels": 0.5,
    "labels_by": None,  # nothing to choose while all labels are kept
    "batches": "labelled",
    "loss_reduction": "mean",
    "trunk_lr_rule": "mean",
    "trunk_lr": 2.0,
    "trunk_weight_decay": 2.0,
    "initialisation": "zeros",
    "fit": "solver",
    "loss": "logistic",
    "folds": 3,
    "strengths": 7,
    "span": 1e-4,
    "tolerance": 1e-6,
    "overlapping": True,
    "selection": "last",
    "ranked": False,
    "precision": "float64",
    "device": "cuda",
    "width": 0.5,
    "coordinates": "mean",
    "devices": 2,
    "memory_format": "channels_last",
    "tasks": ("left",),
    "metrics": {"left": "classification", "right": "classification"},
}


def test_run_id_is_the_digest_of_the_canonical_specification() -> None:
    text = json.dumps(SPEC | {"protocol": PROTOCOL}, sort_keys=True, separators=(",", ":"))
    assert spec().run_id == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert spec().run_id == "3c22973ed6984241"  # frozen: another value orphans every stored record


def test_run_id_does_not_depend_on_how_the_specification_was_written() -> None:
    turned = {key: dict(reversed(v.items())) if isinstance(v, dict) else v for key, v in reversed(PROTOCOL.items())}
    assert spec(protocol=Protocol(**turned | {"lr": 0.50, "momentum": 0})).run_id == spec().run_id
    assert RunSpec.model_validate_json(spec().model_dump_json()).run_id == spec().run_id


def test_run_id_moves_with_every_field() -> None:
    assert CHANGED_SPEC.keys() == RunSpec.model_fields.keys()
    ids = {spec(**{field: value}).run_id for field, value in CHANGED_SPEC.items()}
    assert len(ids | {spec().run_id}) == len(CHANGED_SPEC) + 1


def test_run_id_moves_with_every_protocol_setting() -> None:
    assert CHANGED_PROTOCOL.keys() == Protocol.model_fields.keys()
    changes = {field: value for field, value in CHANGED_PROTOCOL.items() if value is not None}
    ids = {spec(protocol=Protocol(**PROTOCOL | {field: value})).run_id for field, value in changes.items()}
    assert len(ids | {spec().run_id}) == len(changes) + 1


def test_a_new_protocol_setting_at_its_default_does_not_move_the_run_id() -> None:
    class Wider(Protocol):
        label_smoothing: float = 0.0

    class WiderSpec(RunSpec):
        protocol: Wider

    same, moved = (WiderSpec(**SPEC, protocol=Wider(**PROTOCOL, label_smoothing=s)) for s in (0.0, 0.1))
    assert same.run_id == spec().run_id
    assert moved.run_id != spec().run_id


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["lr", "momentum", "clip_norm", "trunk_lr"])
def test_protocols_hold_finite_numbers(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Protocol(**PROTOCOL | {field: value})


def test_budget_is_every_update() -> None:
    assert Protocol(**PROTOCOL).updates == 2 * 3


# --- the record --------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every number, text and null inside nested dicts and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
        return
    for key, item in items:
        yield from leaves(item, (*path, key))


def changed_at(content: Any, path: tuple[Any, ...]) -> Any:
    """A copy of `content` with another value of the same type at `path`."""
    copy = json.loads(json.dumps(content))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    match holder[path[-1]]:
        case bool(value):
            holder[path[-1]] = not value
        case str(value):
            holder[path[-1]] = value + "x"
        case None:
            holder[path[-1]] = 1
        case number:
            holder[path[-1]] = number + 1
    return copy


def test_json_round_trip() -> None:
    again = ResultRecord.model_validate_json(record().model_dump_json(indent=1))
    assert again == record()
    assert again.find_problems() == []


def test_any_changed_value_is_noticed() -> None:
    """Every leaf of the JSON in turn: what still validates has a digest that no longer matches."""
    content = record().model_dump(mode="json")
    paths = list(leaves(content))
    assert len(paths) > 80
    unnoticed = []
    for path in paths:
        try:
            problems = ResultRecord.model_validate(changed_at(content, path)).find_problems()
        except ValidationError:
            continue
        if "digest: does not match the content" not in problems:
            unnoticed.append(path)
    assert unnoticed == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"run_id": "0" * 16}, "run_id: should be "),
        ({"status": "failed"}, "error: should be there exactly when status is failed"),
        ({"error": Failure(type="T", message="m", where="w")}, "error: should be there exactly when status is failed"),
        ({"statistics": {}, "scores": {}}, "statistics: missing from a finished run"),
        ({"scores": {}}, "scores: their selection rules differ from those of the statistics"),
        ({"method": "hard_wide"}, "method: `hard_wide` should be short for"),
        ({"method": "hard:split=7"}, "method: `hard:split=7` should be short for"),
        ({"method": "hard+l2"}, "method: should be short for"),
        ({"suite": "other"}, "suite: `other` should be short for"),
        ({"tasks": ["left"]}, "tasks: should be those of the protocol's metrics"),
        ({"selection": {}}, "statistics: should be there for the rules last, per_task, val"),
        (
            {"selection": {rule: {"left": 1, "right": 999} for rule in RULES}},
            "selection.val: should name an epoch in [1, ",
        ),
        (
            {"statistics": {rule: {"left": {"confusion": [[1, 0], [0, 0]]}} for rule in RULES}},
            "statistics.val: should hold every task",
        ),
    ],
)
def test_a_new_digest_does_not_hide_a_contradiction(change: dict[str, Any], problem: str) -> None:
    found = record().model_copy(update=change).seal().find_problems()
    assert any(sentence.startswith(problem) for sentence in found)


def test_statistics_of_other_rows_than_the_test_split_are_no_result() -> None:
    content = record().model_dump(mode="json")
    for rule in content["statistics"]:
        content["statistics"][rule]["left"] = {"confusion": [[1, 0], [0, 0]]}
        content["scores"][rule]["left"]["accuracy"] = 100.0
    found = ResultRecord.model_validate(content).seal().find_problems()
    assert found == [f"statistics.{rule}: should count the 4 test rows" for rule in content["statistics"]]


def test_scores_are_recomputed_from_statistics() -> None:
    content = record().model_dump(mode="json")
    content["scores"]["val"]["left"]["accuracy"] = 76.0
    [found] = ResultRecord.model_validate(content).seal().find_problems()
    assert found == "scores.val.left.accuracy: stored 76.0, recomputed 75.0"
    content["statistics"]["val"]["left"] = {"confusion": [[1, 2]]}
    found = "; ".join(ResultRecord.model_validate(content).seal().find_problems())
    assert found.startswith("statistics.val: cannot be scored (`confusion` should be a square matrix")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_records_hold_finite_numbers(number: float) -> None:
    with pytest.raises(ValidationError):
        Cost(parameters=1, forward_flops=1, step_ms=number, train_seconds=1, peak_memory_mb=1, hardware="cpu")
    bad = {"val": {"left": {"confusion": [[1, 0], [0, 1]]}, "right": {"count": 4, "squared_error": number}}}
    with pytest.raises(ValueError, match="not JSON compliant"):
        record().model_copy(update={"statistics": bad}).seal()
    content = record().model_dump(mode="json")
    content["statistics"]["last"] = bad["val"]
    found = ResultRecord.model_validate_json(json.dumps(content)).find_problems()
    assert found[0] == "digest: there is none of a content with a number that is not finite"
    content["scores"]["last"]["right"]["rmse"] = number
    with pytest.raises(ValidationError):
        ResultRecord.model_validate_json(json.dumps(content))


def test_unknown_fields_are_refused() -> None:
    content = record().model_dump(mode="json")
    for part in (content, content["spec"], content["spec"]["protocol"], content["cost"]):
        part["surprise"] = 1
        with pytest.raises(ValidationError, match="surprise"):
            ResultRecord.model_validate(content)
        del part["surprise"]
    assert ResultRecord.model_validate(content) == record()


# --- packed arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 1, 4)])
def test_packed_round_trip(shape: tuple[int, ...]) -> None:
    array = (np.arange(math.prod(shape)) / 8 - 1).reshape(shape)
    packed = Packed.model_validate_json(Packed.pack(array).model_dump_json())
    assert packed.shape == list(shape)
    assert packed.unpack().dtype == np.float32
    np.testing.assert_array_equal(packed.unpack(), array)  # eighths are exact in half precision


def test_packed_bytes_are_little_endian_and_row_major() -> None:
    packed = Packed.pack(np.array([[1.0, -2.0], [0.5, 0.0]]).T)
    assert base64.b64decode(packed.float16) == bytes.fromhex("003c 0038 00c0 0000")


def test_packed_rounds_to_half_precision() -> None:
    thirds = np.full(3, 1 / 3)
    assert abs(Packed.pack(thirds).unpack() - thirds).max() <= 2**-12


@pytest.mark.parametrize("text", ["ADwAwA==", "ADwA", "not base64!"])
def test_packed_refuses_bytes_that_do_not_fit(text: str) -> None:
    with pytest.raises(ValueError, match=r"should hold 3 values\. Found 2\.|multiple|base64"):
        Packed(shape=[3], float16=text).unpack()
