"""The learning rates of a question: further ones where the best is the last, as far as the budget allows."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.execution.ask.answering import Asked, write_commands
from bench.execution.ask.book import RunBook
from bench.execution.ask.budget import Budget
from bench.execution.ask.inquiry import Inquiry
from bench.execution.cell import StoredCell
from bench.execution.execute import Execution
from bench.planning.question import Question
from bench.records import RunSpec
from leaderboard.ask.looks import Looks
from leaderboard.ask.verdicts import FamilyRules
from tests.bench.execution.asking import Inline

FIRST = (0.001, 0.003, 0.009)  # of a protocol with 0.003


class ToldBook(RunBook):
    """Nothing is trained: validation errors are a valley in log lr around `best`, each run takes `cost` seconds."""

    best: float
    cost: float

    def run(self, specs: Iterable[RunSpec]) -> None:
        for spec in specs:
            self.records[spec.run_id], self.specs[spec.run_id] = None, spec

    def estimate(self, specs: Iterable[RunSpec]) -> float | None:
        return self.cost * len(list(specs))

    def validation(self, spec: RunSpec, task: str) -> float:
        return math.exp(abs(math.log(spec.protocol.lr / self.best)))


def ask(folder: Path, best: float, cost: float = 0.0, methods: tuple[str, ...] = ("hard",)) -> Inquiry:
    settings = {"epochs": "1", "steps_per_epoch": "2"}
    question = Question("synthetic:tasks=2,train=16", settings=settings, device="cpu", candidates=methods)
    assert question.grid.values == FIRST
    book = ToldBook(Execution(StoredCell(folder, folder), Inline()), Budget(1000.0))
    book.best, book.cost = best, cost
    inquiry = Inquiry(question, book, FamilyRules(Looks.up_to(3), math.log(1.01)))
    inquiry.run()
    return inquiry


@pytest.mark.parametrize(
    ("best", "values", "chosen"),
    [
        (0.003, FIRST, 0.003),
        (0.03, (*FIRST, 0.027, 0.081), 0.027),
        (0.0003, (0.0001111, 0.0003333, *FIRST), 0.0003333),
        (0.00001, (0.00001234, 0.00003703, 0.0001111, 0.0003333, *FIRST), 0.00001234),
        (100.0, (*FIRST, 0.027, 0.081, 0.243, 0.729), 0.729),  # four more at most
    ],
)
def test_the_grid_goes_on_until_the_best_rate_is_inside(
    best: float, values: tuple[float, ...], chosen: float, tmp_path: Path
) -> None:
    inquiry = ask(tmp_path, best)
    for method in ("single_task", "hard"):
        assert inquiry.read_grid(method).values == pytest.approx(values, rel=1e-3)
        assert inquiry.choose_rate(method, "task00") == pytest.approx(chosen, rel=1e-3)
    assert inquiry.skipped == []
    edges = Asked(inquiry).make_answer().edges
    assert {method for method, end, _ in edges if end == "high"} == ({"single_task", "hard"} if best == 100 else set())


def test_a_rate_that_the_budget_is_not_enough_for_is_left_out_and_the_end_is_told(tmp_path: Path) -> None:
    inquiry = ask(tmp_path, best=0.03, cost=90.0)  # eight runs are 720 s: more than a quarter of 1000 s
    assert inquiry.read_grid("hard").values == FIRST
    assert inquiry.skipped.count("further learning rates of single_task and hard") == 1
    answer = Asked(inquiry).make_answer()
    assert set(answer.edges) == {("single_task", "high", 0.009), ("hard", "high", 0.009)}
    assert answer.as_json()["rates"]["at_an_end"][0] == {
        "method": "single_task",
        "end": "high",
        "rate": 0.009,
        "mains": ["task00", "task01"],
    }


def test_the_first_answer_is_at_the_rates_that_were_chosen_last(tmp_path: Path) -> None:
    inquiry = ask(tmp_path, best=0.03)
    judged = {spec.protocol.lr for spec in inquiry.book.specs.values() if spec.seed < 1000}
    assert judged == {0.027}
    commands = write_commands(inquiry.question, inquiry.book.specs.values())
    assert "--over lr=0.001/0.003/0.009/0.027/0.081 --seeds 1000-1001" in commands[0]
