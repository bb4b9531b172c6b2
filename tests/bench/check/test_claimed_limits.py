"""Claimed limits are held against what a run does, phases and all."""

from typing import ClassVar

import pytest
import torch

from bench.api import Phase, register
from bench.catalogue.method import Method
from bench.catalogue.registry import find_entry
from bench.check.limits import EXACT, ROWS_SEEN, hold_limits, predictions
from bench.check.outcome import Broken
from bench.sharing.independent import SingleTask
from tests.conftest import make_run, train_run


class TwoPhases(SingleTask):
    """`single_task` in two phases, of which the second may begin elsewhere than the first ended."""

    limits: ClassVar = {"": "single_task"}
    shift: ClassVar[float]

    def phases(self) -> tuple[Phase, ...]:
        return Phase("first", 0.5), Phase("second", 0.5)

    def begin(self, phase: str) -> None:
        for parameter in self.parameters():
            parameter.add_(self.shift)


def test_a_phase_that_begins_where_the_last_one_ended_keeps_the_limit() -> None:
    register("still")(type("Still", (TwoPhases,), {"shift": 0.0}))
    assert find_entry("sharing", "still").cls.limits  # or the rule would be skipped
    hold_limits(find_entry("sharing", "still"))


def test_what_a_phase_begins_with_is_part_of_the_limit() -> None:
    register("moved")(type("Moved", (TwoPhases,), {"shift": 0.1}))
    with pytest.raises(Broken, match="`moved` should equal `single_task`, as `limits` claims"):
        hold_limits(find_entry("sharing", "moved"))


@pytest.mark.parametrize("method", ["hard", "soft+l2:halflife=2", "learn_to_branch"])
def test_limits_are_measured_on_a_run(method: str) -> None:
    """The same numbers, to the bit, as those of a run under the same protocol."""
    run = make_run(
        method, "multidigits", **{key: "none" if v is None else str(v) for key, v in EXACT.items() if key != "device"}
    )
    model = train_run(run).eval()
    rows = run.data("train")
    inputs, _ = rows.take([torch.arange(ROWS_SEEN)] * len(rows.groups))
    with torch.no_grad():
        wanted = model(inputs, run.module.state)
    seen = predictions(Method.parse(method), "multidigits")
    assert wanted.keys() == seen.keys()
    assert all(torch.equal(wanted[task], seen[task]) for task in wanted)
