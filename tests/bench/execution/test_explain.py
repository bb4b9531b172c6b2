"""`mtlbench explain` from the plan to the parts: every condition once, the parts sum, and it goes on from the store."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, cast
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.catalogue.method import Method
from bench.cli import execution_options
from bench.cli.main import main
from bench.execution.ask.book import RunBook
from bench.execution.ask.budget import Budget
from bench.execution.execute import Execution
from bench.execution.explain import FURTHER_STEPS, Explaining, find_twin
from bench.planning.explanation import EXPLANATIONS, RESTARTS, Condition, Explanation
from bench.planning.question import Question
from bench.records import RunSpec
from leaderboard.figures.waterfall import draw_waterfall_svg
from leaderboard.report.explained import draw_explained
from tests.bench.execution.asking import Inline

SUITE = "synthetic:tasks=2,train=16"
BUDGET = ["--set", "epochs=1", "--set", "steps_per_epoch=2", "--set", "lr=0.01", "--stack", "1"]


def explain(engine: Inline, store: Path, monkeypatch: pytest.MonkeyPatch, *more: str, method: str = "hard") -> int:
    monkeypatch.setattr(execution_options, "choose_engine", lambda arguments: engine)
    return main(["explain", SUITE, method, "--main", "task00", "--seeds", "0-2", *BUDGET, "--store", str(store), *more])


def make_explanation(method: str, suite: str = SUITE, main_task: str = "task00") -> Explanation:
    short = Method.parse(method).short
    return Explanation(Question(suite, main_task, pairs=False, candidates=(method,)), find_twin(short))


def test_no_condition_between_the_ends_is_told_a_label_of_another_task() -> None:
    explanation = make_explanation("cross_stitch")
    assert not explanation.left_out
    for name, each in explanation.conditions.items():
        protocol = explanation.plan(each, 0).protocol
        silenced = {*protocol.shuffled, *protocol.smoothed, *protocol.noised}
        apart = protocol.tasks == ("task00",) or protocol.replica == "task00" or "muted=1" in each.method
        informed = not (apart or silenced == {"task01"} or "single_task" in each.method)
        assert informed == (name in ("cross_stitch", "untied: alone from a common trunk")), name
    assert {each.explanation for each in explanation.conditions.values()} == {"", "start", *EXPLANATIONS}


def test_a_twin_is_layers_where_it_is_the_method_muted_and_another_size_elsewhere() -> None:
    kinds = {
        method: {e.explanation for e in make_explanation(method).conditions.values() if e.method == find_twin(method)}
        for method in ("mmoe", "hard")
    }
    assert kinds == {"mmoe": {"layers"}, "hard": {"capacity"}}


def test_a_suite_that_a_solver_fits_keeps_what_fits_it() -> None:
    explanation = make_explanation("soft+l2", "linear_synthetic:tasks=6")
    assert list(explanation.conditions)[:3] == ["single_task", "soft+l2", "soft+l2, others shuffled"]
    assert "solver" in explanation.left_out["single_task, width x 2"]
    assert "solver" in explanation.left_out[f"single_task, best of {RESTARTS} by validation"]
    assert "phases" in explanation.left_out["untied: alone from a common trunk"]
    assert "compute" not in {each.explanation for each in explanation.conditions.values()}  # a solver is at its minimum


def test_ends_without_a_common_seed_give_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    explaining = Explaining(make_explanation("hard"), Untrained(cast(Execution, None), Budget(math.inf)), (0, 1, 2))
    errors = {"single_task": [1, math.nan, 2], "hard, others shuffled": [math.nan, 1, math.nan]}

    def read(self: Explaining, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
        return np.array(errors.get(condition.name, [1.0, 2.0, 3.0])), np.ones(3)

    monkeypatch.setattr(Explaining, "_read_errors", read)
    monkeypatch.setattr(Explaining, "choose_rate", lambda self, condition: None)
    found = explaining.read()
    assert found.waterfall is None
    assert "no seed has" in draw_explained(found)
    assert not draw_waterfall_svg(found)


def test_factors_are_on_what_the_question_sets() -> None:
    settings = {"epochs": "3", "width": "3", "trunk_lr": "0.1"}
    explanation = Explanation(Question(SUITE, "task00", settings, candidates=("hard",)), find_twin("hard"))
    protocols = {name: explanation.plan(each, 0).protocol for name, each in explanation.conditions.items()}
    assert protocols["single_task, 2 times the epochs"].epochs == 6
    assert protocols["single_task, width x 4"].width == 12
    assert protocols["one trunk, rate x 2"].trunk_lr == 0.2


class Untrained(RunBook):
    """Every run that was asked for is there, and at every condition the least learning rate is best."""

    asked: ClassVar[set[str]] = set()

    def choose_rate(self, specs: Sequence[RunSpec], task: str) -> float | None:
        assert {spec.run_id for spec in specs} <= self.asked  # a rate that nobody ran cannot be chosen
        return min(spec.protocol.lr for spec in specs)

    def list_missing(self, specs: Iterable[RunSpec]) -> list[RunSpec]:
        self.asked |= {spec.run_id for spec in specs}
        return []


def test_a_condition_that_does_best_at_its_last_rate_gets_further_ones() -> None:
    explanation = make_explanation("hard")
    book = Untrained(cast(Execution, None), Budget(math.inf))
    explaining = Explaining(explanation, book, (0, 1, 2))
    explaining.run()
    first = explanation.question.grid.values
    for condition in explanation.conditions.values():
        rates = explaining.read_grid(condition).values
        assert len(rates) == len(first) + FURTHER_STEPS
        assert explaining.choose_rate(condition) == rates[0] < first[0]
        assert {spec.protocol.lr for spec in explaining.plan_seeds([condition])} == {rates[0]}


def test_the_parts_sum_and_the_command_goes_on_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(Inline(stop=20), tmp_path / "s", monkeypatch) == 130
    capsys.readouterr()
    engine = Inline()
    assert explain(engine, tmp_path / "s", monkeypatch, "--json", "--out", str(tmp_path / "why")) == 0
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert [part["part"] for part in found["parts"]][-2:] == ["shuffled", "information"]
    for parts in (found["parts"], found["parts_in_reverse"]):
        assert math.fsum(p["change"]["mean"] for p in parts) == pytest.approx(found["total"]["mean"], abs=1e-12)
    assert (
        sum(each["condition"] == f"single_task, best of {RESTARTS} by validation" for each in found["conditions"]) == 1
    )
    again = Inline()
    assert explain(again, tmp_path / "s", monkeypatch) == 0
    assert not again.ran
    text = capsys.readouterr().out
    assert re.search(r"^`hard` has .* error .* on `task00` than learning it alone \(3 seeds\)\.$", text, re.M)
    assert "the whole gain" in text
    assert json.loads((tmp_path / "why" / "explained.json").read_text()) == found
    assert "### Each condition by itself" in (tmp_path / "why" / "explained.md").read_text()
    ElementTree.fromstring((tmp_path / "why" / "explained.svg").read_text())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["explain", SUITE, "hard", "--main", "tasc00"], "There is no task `tasc00`.*`task00`"),
        (["explain", SUITE, "hadr", "--main", "task00"], "`hadr`.*`hard`"),
        (["explain", SUITE, "hard", "--main", "task00", "--seeds", "0-1"], "`--seeds` should be 3 or more.*Found 2"),
        (["explain", SUITE, "hard", "--main", "task00", "--set", "noised=task01"], "`--set noised` should be left out"),
        (["explain", SUITE, "hard"], "--main"),
        (["explain", SUITE, "single_task", "--main", "task00"], "`single_task` should be a method that shares"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--store", str(tmp_path / "s")]) == 2
    error = capsys.readouterr().err
    assert re.search(sentence, error), error
    assert error.count("\n") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("command", [["explain", SUITE, "hard", "--main", "task00"], ["ask", SUITE]])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_run(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, file = Inline(), tmp_path / "file"
    monkeypatch.setattr(execution_options, "choose_engine", lambda arguments: engine)
    file.touch()
    assert main([*command, *BUDGET, "--store", str(tmp_path / "s"), "--out", str(file)]) == 2
    assert "`--out` should be a folder that can be written" in capsys.readouterr().err
    assert not engine.ran
