"""Twins of methods: what is written down is what the classes say, and the text of a twin follows from the method's.

After a new built-in sharing:

    python -m tests.leaderboard.boards.test_twins --write
"""

import json
import sys

import pytest

from bench.catalogue.method import Method
from bench.catalogue.registry import list_entries
from leaderboard.boards.twins import TWINS_FILE, collect_twins, read_twins, write_twin


def of_classes() -> dict[str, str]:
    return {name: entry.cls.twin for name, entry in sorted(list_entries("sharing").items())}  # type: ignore[attr-defined]


def test_what_is_written_down_is_what_the_classes_have() -> None:
    assert read_twins() == of_classes()


@pytest.mark.parametrize(
    ("method", "twin"),
    [
        ("cross_stitch", "cross_stitch:muted=1"),
        ("cross_stitch:as=mtan", "cross_stitch:as=mtan,muted=1"),
        ("sluice:subspaces=1@uncertainty", "sluice:muted=1,subspaces=1@uncertainty"),
        ("cross_stitch+l2:halflife=10.0", "cross_stitch:muted=1"),
        ("cross_stitch:muted=1", None),
        ("hard@pcgrad", "single_task_narrow"),
        ("hard_wide", "single_task"),
        ("soft+l2", "single_task"),
        ("soft:init=independent+l2", "single_task:init=independent"),
        ("dmtrl:rank=0.2", "single_task:init=independent"),
        ("gp_icm:kernel=rbf,rank=2", "gp_single:kernel=rbf"),
        ("single_task", None),
        ("plugin", None),
        ("hard\n: stands alone", None),
    ],
)
def test_the_text_of_a_twin(method: str, twin: str | None) -> None:
    assert write_twin(method, read_twins()) == twin
    if twin:
        assert Method.parse(twin).short == twin


def test_plug_ins_that_were_run_muted_have_a_twin() -> None:
    twins = collect_twins(["mine", "mine:muted=1", "other"])
    assert write_twin("mine:rate=2", twins) == "mine:muted=1,rate=2"
    assert write_twin("other", twins) is None
    assert write_twin("hard", twins) == "single_task_narrow"


if __name__ == "__main__" and "--write" in sys.argv:
    TWINS_FILE.write_text(json.dumps(of_classes(), indent=1) + "\n", encoding="utf-8")
