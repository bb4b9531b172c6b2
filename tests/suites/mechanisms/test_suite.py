"""What all mechanisms have in common: dials and their ranges, splits, streams, checksums."""

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch

from bench.catalogue.options import read_options
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from suites.mechanisms.mechanism import Mechanism
from suites.mechanisms.suite import MECHANISMS, MechanismName, Mechanisms

KINDS: list[Any] = list(MECHANISMS)


def list_ends(cls: type[Mechanism]) -> list[dict[str, Any]]:
    """Each dial of a kind at each end of its range, or at each choice, with what else it then needs."""
    ends = []
    for name, field in cls.model_fields.items():
        bounds = [value for mark in field.metadata for value in (getattr(mark, "ge", None), getattr(mark, "le", None))]
        choices = [*(bound for bound in bounds if bound is not None), *get_args(field.annotation)]
        ends += [{name: choice} for choice in choices if choice not in (1000, 100_000)]
    needs = {("horizon", "tasks", 6): {"horizon": 32}, ("horizon", "horizon", 2): {"tasks": 2}}
    return [end | needs.get((str(cls.model_config["title"]), *next(iter(end.items()))), {}) for end in ends]


def test_every_kind_is_a_choice_of_the_suite_and_every_dial_an_option() -> None:
    assert tuple(KINDS) == get_args(MechanismName)
    dials = {name for cls in MECHANISMS.values() for name in cls.model_fields}
    assert {"kind", *dials} == read_options(Mechanisms).keys()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_as_the_protocol_says_at_both_ends_of_every_dial(kind: Any) -> None:
    for dials in [{}, *list_ends(MECHANISMS[kind])]:
        suite = Mechanisms(kind=kind, **dials)
        rows = suite.dataset("train", 0)
        assert rows.rows == suite.protocol.splits["train"], dials
        assert (
            list(rows.targets) == [task.name for task in suite.tasks] == [f"t{t + 1}" for t in range(len(rows.inputs))]
        )
        for name, x in rows.inputs.items():
            assert x.shape[1:] == suite.input_shape
            assert torch.isfinite(x).all()
            assert torch.isfinite(rows.targets[name].float()).all(), dials
        if "tasks" in dials:
            assert len(rows.targets) == dials["tasks"]


@pytest.mark.parametrize("kind", KINDS)
def test_streams_are_apart_and_repeat(kind: Any) -> None:
    suite, again = Mechanisms(kind=kind, train=64), Mechanisms(kind=kind, train=64)
    first = suite.dataset("train", 0)
    assert suite.checksums() == again.checksums() != Mechanisms(kind=kind, train=65).checksums()
    others = [suite.dataset("val", 0), suite.dataset("train", 1), *filter(None, [suite.sealed(0, 7)])]
    assert len(others) == 2 + (not suite.mechanism.finite)
    for other in others:
        assert not torch.equal(first.inputs["t1"][:40], other.inputs["t1"][:40])
    drawn = [suite.mechanism.draw(0, ("train",), 64) for _ in range(2)]
    assert all(np.array_equal(one, other) for one, other in zip(*drawn, strict=True))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "noise" in MECHANISMS[kind].model_fields])
def test_noise_moves_nothing_but_itself(kind: Any) -> None:
    """With another noise rows differ by its multiple: the same standard deviations, times the dial."""
    use = {"use": "target"} if kind == "features" else {}
    x, y = zip(*(MECHANISMS[kind](noise=s, **use).draw(2, ("train",), 400) for s in (0.0, 1.0, 3.0)), strict=True)
    for values in (x, y):
        np.testing.assert_allclose(values[2] - values[0], 3 * (values[1] - values[0]), atol=1e-5)
    moved = np.hstack([(values[1] - values[0]).reshape(400, -1) for values in (x, y)] if kind != "sampling" else y)
    assert moved.std() > 0
    clean, noisy = (MECHANISMS[kind](noise=s, **use).draw(2, ("test",), 50)[1] for s in (0.0, 1.0))
    np.testing.assert_array_equal(clean, noisy)  # labels of the test split are the truth


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "relation" in MECHANISMS[kind].model_fields])
def test_the_relation_leaves_the_main_task_alone(kind: Any) -> None:
    whole, half = (MECHANISMS[kind](relation=r).draw(1, ("train",), 50) for r in (1.0, 0.5))
    np.testing.assert_array_equal(whole[1][:, 0], half[1][:, 0])
    assert any(not np.array_equal(a, b) for a, b in zip(whole, half, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "mechanisms:parity,noise=1",
            "`parity` should be given dials that it has: `train`, `bits`, `relation`, `tasks`.",
        ),
        ("mechanisms:parity,train=192", "`train` of `parity` should be less than or equal to 191. Found `192`."),
        ("mechanisms:blocking,tasks=2", "`blocking` should be given dials that it has: `train`, `bits`, `relation`."),
        ("mechanisms:horizon,tasks=6", "`horizon` should be halved for each further task, and be 32 or more for 6"),
        (
            "mechanisms:parity,relation=2",
            "`relation` of `mechanisms` should be a number in [0, 1]. Found `relation = 2`.",
        ),
        (
            "mechanisms:features,use=both",
            "`use` of `mechanisms` should be `target` or `input` or `none`. Found `use = both`.",
        ),
        (
            "mechanisms:pariti",
            "`kind` of `mechanisms` should be one of its 15 choices. Found `kind = pariti`; the nearest: `parity`",
        ),
    ],
)
def test_dials_that_mean_nothing_get_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_suite(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("use", "inputs", "tasks"), [("target", 10, 3), ("input", 12, 1), ("none", 10, 1)])
def test_a_measurement_left_out_is_written_as_none(use: str, inputs: int, tasks: int) -> None:
    choice, suite = parse_suite(f"mechanisms:features,use={use}")
    assert (suite.input_shape, len(suite.tasks)) == ((inputs,), tasks)
    assert ("use" in choice.written) == (use != "target")


def test_linear_models_are_of_the_same_rows_and_know_their_weights() -> None:
    deep, linear = (Mechanisms(kind="attributes", model=model) for model in ("mlp", "linear"))  # type: ignore[arg-type]
    assert torch.equal(deep.dataset("train", 3).inputs["t1"], linear.dataset("train", 3).inputs["t1"])
    assert linear.protocol.fit == "solver"
    assert deep.known_weights(3) is None
    weights = linear.known_weights(3)
    assert weights is not None
    test = linear.dataset("test", 3)
    labels = torch.cat([test.targets[task.name] for task in linear.tasks], dim=1)
    torch.testing.assert_close(test.inputs["t1"].double() @ weights, labels.double(), atol=1e-5, rtol=0)
    assert math.isclose(float(weights.square().sum()), 8, rel_tol=1e-9)
