"""Which way of fitting reads which field of the protocol: the marks say what runs do, and what `--set` takes."""

from typing import get_args

import pytest

from bench.errors import UsageError
from bench.planning.plan import override, parse_suite, plan
from bench.records import Protocol, ResultRecord, RunSpec
from bench.records.protocol import find_use
from bench.training.fit import fit
from tests.bench.records.test_records import CHANGED_PROTOCOL

SUITES = {"descent": "synthetic:tasks=2,train=16", "solver": "linear_synthetic:tasks=6,train=12"}
BUDGET = {"descent": {"epochs": "1", "steps_per_epoch": "2", "batch_size": "8"}, "solver": {"strengths": "4"}}
METHODS = {"descent": "cross_stitch", "solver": "soft+l2"}
OTHER = {"descent": "solver", "solver": "descent"}
# Of these another value is another problem, whoever fits it, or there is no other value.
PROBLEMS = {"replica", "noised", "augmentation"}


def changed(spec: RunSpec, field: str) -> RunSpec:
    """The specification with another value of one field, as `--set` would refuse to make it."""
    return spec.vary(protocol=spec.protocol.model_copy(update={field: CHANGED_PROTOCOL[field]}))


def numbers(record: ResultRecord) -> tuple[object, ...]:
    assert record.status == "done", record.error
    return record.statistics, record.solution, record.matrices, record.effective_sharing


@pytest.mark.parametrize("fitted", ["descent", "solver"])
def test_no_number_of_a_run_depends_on_what_the_other_way_of_fitting_reads(fitted: str) -> None:
    [spec] = plan(SUITES[fitted], [METHODS[fitted]], [0], BUDGET[fitted], "cpu")
    plain = numbers(fit(spec))
    others = [field for field in Protocol.model_fields if find_use(field).fit == OTHER[fitted]]
    assert len(others) > 4
    for field in set(others) - PROBLEMS:
        assert numbers(fit(changed(spec, field))) == plain, field


@pytest.mark.parametrize("fitted", ["descent", "solver"])
def test_what_the_other_way_of_fitting_reads_is_refused(fitted: str) -> None:
    _, suite = parse_suite(SUITES[fitted])
    for field in Protocol.model_fields:
        use = find_use(field)
        if use.fit == OTHER[fitted] and not use.fixed:
            with pytest.raises(UsageError, match=rf"^`{field}` has no effect on this suite, whose models"):
                override(suite.protocol, {field: "1"})


def test_what_belongs_to_the_suite_is_no_setting() -> None:
    _, suite = parse_suite(SUITES["descent"])
    fixed = {field for field in Protocol.model_fields if find_use(field).fixed}
    assert {"name", "splits", "metrics", "fit"} <= fixed
    for field in fixed:
        with pytest.raises(UsageError, match=f"^The protocol has no setting `{field}`"):
            override(suite.protocol, {field: "1"})


def test_a_condition_names_a_value_that_the_other_field_may_have() -> None:
    conditions = {field: use.only for field in Protocol.model_fields if (use := find_use(field)).only}
    assert conditions["momentum"] == ("optimiser", "sgd")
    for other, value in conditions.values():
        assert value in get_args(Protocol.model_fields[other].annotation)


def test_a_condition_is_met_by_the_protocol_or_by_what_is_set_beside_it() -> None:
    protocol = parse_suite(SUITES["descent"])[1].protocol.model_copy(update={"optimiser": "adam"})
    with pytest.raises(UsageError, match=r"^`momentum` has an effect only with `optimiser=sgd`; this protocol has"):
        override(protocol, {"momentum": "0.5"})
    assert override(protocol, {"momentum": "0.5", "optimiser": "sgd"})[0].momentum == 0.5
