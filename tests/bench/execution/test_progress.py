"""Progress of cells: every cell has a name of its own, the one that tables show."""

import re

import pytest

from bench.engines.events import Ended
from bench.execution.progress import MAX_NAME, name_cell, show_progress
from bench.planning.plan import plan

METHODS = ["soft+l1:strength=1e-3", "soft+l1:strength=1e-2", "hard", "hard@pcgrad", "hard:split=1"]
SHORTS = ["soft+l1:strength=0.001", "soft+l1:strength=0.01", "hard", "hard@pcgrad", "hard:split=1"]


def test_lines_of_a_log_name_each_cell_as_tables_do(capsys: pytest.CaptureFixture[str]) -> None:
    specs = plan("synthetic", METHODS, [0, 3], device="cpu")
    with show_progress(specs, 1) as tell:
        for spec in specs:
            tell(Ended(spec, "done"))
    names = re.findall(r"^done: (.*) \(\d+/10 done", capsys.readouterr().err, re.MULTILINE)
    assert names == [f"{short} seed {seed}" for short in SHORTS for seed in (0, 3)]


def test_a_long_name_beside_a_bar_keeps_the_end_in_which_names_differ() -> None:
    methods = [f"soft+l1:schedule=warmup,strength=0.001234567@gradnorm:alpha=0.50{digit}" for digit in "12"]
    specs = plan("synthetic", methods, [0], device="cpu")
    names = [name_cell(spec, MAX_NAME).removesuffix(" seed 0") for spec in specs]
    assert len(set(names)) == 2
    assert [len(name) <= MAX_NAME and "..." in name for name in names] == [True, True]


def test_a_method_that_this_process_does_not_know_has_its_whole_name() -> None:
    [spec] = plan("synthetic", ["hard@pcgrad"], [7], device="cpu")
    unknown = spec.model_copy(update={"method": "nobody_knows_this:rate=2,another=1@uniform:reduction=sum"})
    assert name_cell(unknown) == "nobody_knows_this:rate=2,another=1@uniform:reduction=sum seed 7"
