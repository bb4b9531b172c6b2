"""`mtlbench compare`: two methods on every board that has both."""

from pathlib import Path

import pytest

from bench.cli.main import main
from bench.records import ResultRecord
from leaderboard.store import Store
from tests.leaderboard.conftest import build_record


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """`hard` has 2 points less accuracy than `single_task` on two suites; `mmoe` was run on one seed of its own."""
    records: list[ResultRecord] = [
        build_record(method, seed, {"left": 90.0 + seed / 10 - lost}, suite=suite)
        for suite in ("toy", "other")
        for method, lost in (("single_task", 0.0), ("hard", 2.0))
        for seed in range(5)
    ]
    for record in [*records, build_record("mmoe", 9, {"left": 90.0})]:
        Store(tmp_path / "runs").write(record)
    return tmp_path / "runs"


def test_a_line_for_each_suite_with_its_change_and_verdict(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "hard", "single_task", "--store", str(store)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("hard against single_task\n")
    lines = [line.split() for line in text.splitlines() if " worse " in line]
    assert sorted(line[1] for line in lines) == ["other", "toy"]
    assert {line[2] for line in lines} == {"+20.4"}  # from 10 % and a little less, by 2 points
    assert main(["compare", "single_task", "hard", "--store", str(store), "--suite", "other", "--format", "md"]) == 0
    text = capsys.readouterr().out
    [line] = [line for line in text.splitlines() if line.startswith("| other | other | ")]
    assert " -17.0 % " in line
    assert "| better | 5 |" in line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["hrad", "single_task"], "A should be a method with runs. Found `hrad`; the nearest: `hard`."),
        (["hard", "hard"], "A and B should be two methods. Found `hard` twice."),
        (["hard", "mmoe"], "`hard` and `mmoe` should be on one board with a seed in common. Found none."),
        (["hard", "mmoe", "--suite", "other"], "B should be a method with runs on `other`. Found `mmoe`;"),
        (["hard", "single_task", "--suite", "othr"], "There is no table or suite `othr`; the nearest: `other`"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    store: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["compare", *words, "--store", str(store)]) == 2
    assert sentence in capsys.readouterr().err
