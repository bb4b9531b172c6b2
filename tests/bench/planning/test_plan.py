"""Plans: from what a user writes to specifications, and what is refused before anything runs."""

import re
from pathlib import Path

import pytest

from bench.api import Blueprint, register
from bench.catalogue import registry
from bench.catalogue.method import Method
from bench.catalogue.registry import Entry, choose, list_entries
from bench.errors import DataMissing, UsageError
from bench.planning.plan import (
    list_method_names,
    list_supported_methods,
    override,
    parse_suite,
    plan,
    suite_under_protocol,
)
from bench.records import METHOD_PARTS, Call, complete_method, digest
from bench.sharing.hard import Hard
from tests.bench.check.broken import change
from tests.bench.check.broken.suite import Good
from tests.bench.methods import catalogue, fitted_by_themselves

SUITE = "synthetic:tasks=2"


def test_one_specification_per_method_and_seed() -> None:
    specs = plan(SUITE, ["hard", "soft+l2", "hard:split=none@uniform"], [3, 1], device="cpu")
    soft = "soft:init=tied+l2:form=prox,halflife=100.0,strength=none@uniform:reduction=sum"
    assert [(spec.method, spec.seed) for spec in specs] == [
        *(("hard:split=none@uniform:reduction=sum", seed) for seed in (3, 1)),  # written twice, planned once
        *((soft, seed) for seed in (3, 1)),
    ]
    choice, suite = parse_suite(SUITE)
    assert {spec.suite for spec in specs} == {choice.canonical}
    assert {spec.data for spec in specs} == {digest(suite.checksums())}
    assert specs[0].versions == {"suite/synthetic": 1, "sharing/hard": 1, "weighting/uniform": 1}
    assert specs[0].protocol == suite.protocol
    assert len({spec.run_id for spec in specs}) == 4


def test_a_suite_whose_protocol_has_other_metrics_than_its_tasks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = change(Good, protocol_changes={"metrics": {"sum": "regression"}})
    monkeypatch.setitem(registry._ENTRIES["suite"], "wrong", Entry("suite", "wrong", wrong, 1, ""))
    sentence = (
        "`protocol.metrics` should give the kind of each task's metric, {'sum': 'regression', 'first': 'regression'}. "
        "Found {'sum': 'regression'}; make them agree."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(sentence)}$"):
        plan("wrong", ["hard"], [0], device="cpu")


def test_overrides_hold_what_changed_in_one_text_per_value() -> None:
    _, suite = parse_suite(SUITE)
    same, unchanged = override(suite.protocol, {"lr": "0.0030", "clip_norm": "none", "betas": "0.9/0.999"})
    assert (same, unchanged) == (suite.protocol, {})
    for text in ("0.01", "1e-2", "0.010"):
        changed, settings = override(suite.protocol, {"lr": text, "betas": "0.8/0.9", "clip_norm": "1"})
        assert (changed.lr, changed.betas, changed.clip_norm) == (0.01, (0.8, 0.9), 1.0)
        assert settings == {"betas": "0.8/0.9", "clip_norm": "1.0", "lr": "0.01"}
    ids = {plan(SUITE, ["hard"], [0], {"lr": text}, "cpu")[0].run_id for text in ("0.01", "1e-2", "0.010")}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lrr": "1"}, "The protocol has no setting `lrr`; the nearest: `lr`."),
        ({"ranked": "true"}, r"The protocol has no setting `ranked`; the nearest: .*"),
        ({"metrics": "x"}, r"The protocol has no setting `metrics`; the nearest: .*"),
        ({"lr": "0"}, "`lr` of the protocol should be greater than 0. Found `0`."),
        ({"lr": "inf"}, "`lr` of the protocol should be a finite number. Found `inf`."),
        (
            {"optimiser": "lion"},
            "`optimiser` of the protocol should be `adam` or `sgd`. Found `lion`.",
        ),
        ({"shuffled": "task00/x"}, r"`shuffled` should name tasks of the suite \(task00, task01\). Found x."),
    ],
)
def test_mistakes_in_a_setting_get_one_sentence(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        plan(SUITE, ["hard"], [0], settings, "cpu")


@pytest.mark.parametrize(
    ("suite", "method", "message"),
    [
        (SUITE, "single_task+l2", "`single_task` trains separate models that nothing holds together; use `soft+l2`."),
        (SUITE, "hard:split=0+l2", "`hard:split=0` trains separate models that nothing holds together; use `soft+l2`."),
        (
            SUITE,
            "single_task@uncertainty",
            "`single_task` trains separate models, whose weights are 1; leave out `@uncertainty`.",
        ),
        (SUITE, "hard+l2", "`hard` has no copies of a parameter for `l2` to hold together."),
        (SUITE, "hard:split=3", "`split` should lie in [0, 2], the stages of this backbone. Found `split = 3`."),
        (SUITE, "hard@static:weights=1", "`weights` of `static` should hold 2 numbers, one per task. Found 1."),
        (
            "synthetic:inputs=own,tasks=11",
            "cross_stitch",
            "`cross_stitch` runs every tower on every task's own input, at most 10 tasks (this suite has 11).",
        ),
    ],
)
def test_what_cannot_run_is_refused_in_one_sentence(suite: str, method: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(suite, ["hard", method], [0], device="cpu")
    assert str(caught.value) == message


def test_missing_data_is_noticed_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="mtlbench data prepare multimnist"):
        plan("multimnist", ["hard"], [0], device="cpu", data_dir=tmp_path)


def test_all_methods() -> None:
    names = list_method_names()
    assert len(names) == len(set(names))
    assert {"single_task", "hard", "cross_stitch", "soft+l2", "hard@uncertainty"} <= set(names)
    assert not {"soft", "hard@uniform"} & set(names)
    itself = fitted_by_themselves()
    assert set(names) - set(itself) <= set(catalogue())
    names = [name for name in names if name not in itself]
    assert [name for name in list_supported_methods("synthetic:tasks=2") if name not in itself] == names
    many = list_supported_methods("synthetic:inputs=own,tasks=11")
    mixing = ["adatt", "cgc", "cross_stitch", "learn_to_branch", "nddr", "ple", "sluice"]
    assert [name for name in names if name not in many] == mixing


@pytest.mark.parametrize("settings", [{}, {"replica": "task00"}])
def test_a_method_is_built_without_the_data(settings: dict[str, str]) -> None:
    """Neither a split nor, through the suite that a control stands on, one behind it."""

    @register("reader")
    class Reader(Hard):
        """Reads what it will be tested on."""

        def __init__(self, blueprint: Blueprint) -> None:
            super().__init__(blueprint)
            getattr(blueprint.suite, "suite", blueprint.suite).dataset("test", blueprint.seed)

    try:
        _, suite = parse_suite(SUITE)
        built = suite_under_protocol(suite, override(suite.protocol, settings)[0])
        with pytest.raises(
            UsageError, match=r"should not read the suite's data\. Found a call of `dataset` for `test`"
        ):
            Method.parse("reader").build_sharing(built, 0)
        Method.parse("hard").build_sharing(built, 0)
        assert built.dataset("test", 0).targets  # which the harness still may
    finally:
        del registry._ENTRIES["sharing"]["reader"]


@pytest.mark.parametrize("kind", METHOD_PARTS)
def test_every_part_alone_is_the_method_of_its_text(kind: str) -> None:
    """What is built around a part, registered or not, is what its text says."""
    for name in list_entries(kind):
        choice = choose(kind, Call(name))
        if kind == "sharing" and choice.entry.cls.needs_constraint:  # type: ignore[attr-defined]
            continue
        assert Method.complete(choice) == Method.parse(str(complete_method(kind, Call(name))))


@pytest.mark.parametrize("factor", ["0.5", "2"])
def test_a_width_multiplies_what_a_method_asks_for(factor: str) -> None:
    suite = parse_suite("multidigits")[1]
    wide = suite_under_protocol(suite, override(suite.protocol, {"width": factor})[0])
    for width in (1.0, 0.25):
        shapes, expected = (
            [stage.output_shape for stage in built.backbone(own)]
            for built, own in ((wide, width), (suite, width * float(factor)))
        )
        assert shapes == expected
    assert suite_under_protocol(suite, suite.protocol) is suite
    # Replicas of a task are of the wider network, too.
    both = suite_under_protocol(suite, override(suite.protocol, {"width": factor, "replica": "left"})[0])
    assert [stage.output_shape for stage in both.backbone()] == [stage.output_shape for stage in wide.backbone()]
