"""The command `mtlbench ask`: what it refuses, what it writes, and that every number can be made again."""

import json
import re
import shlex
import time
from pathlib import Path

import pytest

from bench.cli import execution_options
from bench.cli.main import main
from bench.execution.ask.answering import Asked
from bench.execution.ask.budget import Budget, BudgetSpent
from tests.bench.execution.asking import Inline

SUITE = "synthetic:tasks=2,train=16"
BUDGET = ["--set", "epochs=1", "--set", "steps_per_epoch=2"]
SHORT = ["--methods", "hard", "--seeds", "3", *BUDGET, "--json", "--stack", "1"]
PAGE = Path(__file__).parents[3] / "docs" / "does_it_help.md"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ask", "synthetic:tasks=3", "--main", "tasc00"], "There is no task `tasc00`.*`task00`"),
        (["ask", "synthetic:tasks=3", "--budget", "5x"], "`--budget` should be a time as `90s`.*Found `5x`"),
        (["ask", "synthetic:tasks=3", "--budget", "0s"], "`--budget` should be a time"),
        (["ask", "synthetic:tasks=3", "--margin", "1"], "`--margin` should be a share of error between 0 and 1"),
        (["ask", "synthetic:tasks=3", "--seeds", "2"], "`--seeds` should be 3 or more.*Found `2`"),
        (["ask", "synthetic:tasks=3", "--set", "shuffled=task00"], "`--set shuffled` should be left out"),
        (["ask", "synthetic:tasks=3", "--methods", "hadr"], "No method that shares.*`hadr`.*`hard`"),
        (["ask", "synthetic:tasks=3", "--set", "tasks=task00"], "two tasks or more. Found 1"),
        (["ask", "sinthetic"], "no suite `sinthetic`.*`synthetic`"),
        (["ask"], "SUITE"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, *(["--store", str(tmp_path / "s")] if len(words) > 1 else [])]) == 2
    error = capsys.readouterr().err
    assert re.search(sentence, error), error
    assert error.count("\n") == 1
    assert not (tmp_path / "s").exists()


def ask(store: Path, engine: Inline, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setattr(execution_options, "choose_engine", lambda arguments: engine)
    return main(["ask", SUITE, *SHORT, "--store", str(store), *more])


def test_an_answer_is_written_and_every_run_behind_it_has_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Inline()
    assert ask(tmp_path / "store", engine, monkeypatch, "--out", str(tmp_path / "out")) == 0
    printed, told = capsys.readouterr()
    answer = json.loads(printed)
    assert json.loads((tmp_path / "out" / "answer.json").read_text()) == answer
    assert {(each["main"], each["method"]) for each in answer["verdicts"]} == {("task00", "hard"), ("task01", "hard")}
    assert {each["verdict"] for each in answer["verdicts"]} <= {"RELATED", "HARMFUL", "NEUTRAL", "UNDECIDED"}
    assert answer["cost"]["made"] == len(engine.ran) == len(set(engine.ran))
    assert "First answer: " in told
    page = (tmp_path / "out" / "answer.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") == 1
    assert (tmp_path / "out" / "answer.md").read_text().startswith("# Does it help?")
    offered = [*answer["commands"], answer["recommended"]["command"]]
    assert all(command.endswith(f" --store {shlex.quote(str(tmp_path / 'store'))}") for command in offered)
    # What the page offers to type makes the very runs: none of them is missing, and none is left over.
    named = set()
    for command in answer["commands"]:
        program, *words = shlex.split(command)
        assert program == "mtlbench"
        assert main([*words, "--store", str(tmp_path / "store"), "--dry-run", "--json"]) == 0
        plan = json.loads(capsys.readouterr().out)
        assert plan["to_run"] == 0, command
        named |= {cell["run_id"] for cell in plan["cells"]}
    assert named == set(engine.ran)


def test_after_an_interrupt_it_tells_what_it_knows_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Asked, "measure_beside", lambda asked: None)
    first, second = Inline(stop=14), Inline()
    assert ask(tmp_path, first, monkeypatch) == 130
    assert json.loads(capsys.readouterr().out)["ended"] == "interrupted"
    assert ask(tmp_path, second, monkeypatch) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ended"] in ("decided", "seeds")
    assert len(first.ran) == 14
    assert not set(first.ran) & set(second.ran)
    third = Inline()
    assert ask(tmp_path, third, monkeypatch) == 0
    assert third.ran == []
    again = json.loads(capsys.readouterr().out)
    assert again["verdicts"] == answer["verdicts"]


def test_a_dry_run_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Inline()
    assert ask(tmp_path, engine, monkeypatch, "--dry-run") == 0
    rounds = json.loads(capsys.readouterr().out)
    assert [each["runs"] for each in rounds[:2]] == [12, 6]  # three rates, two seeds, two methods; then three seeds
    assert engine.ran == []


def work(budget: Budget, seconds: float) -> None:
    """Something that takes longer than a budget, or nothing at all."""
    with budget.limit():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)


def test_time_that_is_up_ends_what_is_done() -> None:
    budget, began = Budget(0.1), time.monotonic()
    with pytest.raises(BudgetSpent):
        work(budget, 60)
    assert 0.1 <= time.monotonic() - began < 30
    with pytest.raises(BudgetSpent):  # nothing begins after the end
        work(budget, 0)
    work(Budget(float("inf")), 0.01)


@pytest.mark.slow
def test_the_example_of_the_page_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [block] = re.findall(r"<!-- example -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
    for line in block.splitlines():
        program, *words = shlex.split(line)
        assert program == "mtlbench"
        assert main([*words, "--store", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {each["main"]: each["verdict"] for each in answer["verdicts"]} == {"task00": "RELATED"}
