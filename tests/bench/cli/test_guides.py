"""The commands of the guides, run as a reader would type them, in an empty folder."""

import re
from pathlib import Path

import pytest

from bench.cli.main import main
from leaderboard.store.models import find_models
from tests.bench.prediction.test_own_tables import write_flats

DOCS = Path(__file__).parents[3] / "docs"
COMMAND = re.compile(r"^    mtlbench (.*)$", re.MULTILINE)


def read_commands(page: str) -> list[list[str]]:
    """The words of every command of a page, in order."""
    return [line.partition(" #")[0].split() for line in COMMAND.findall((DOCS / page).read_text(encoding="utf-8"))]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody who reads a page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MTLBENCH_STORE", raising=False)
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    return tmp_path


def test_your_metric(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = read_commands("your_metric.md")
    assert [words[0] for words in commands] == ["new", "check", "run", "table"]
    for words in commands:
        capsys.readouterr()
        assert main(words) == 0, words
    table = capsys.readouterr().out
    assert "mae" in table.lower()
    assert {"single_task", "hard"} <= set(re.findall(r"\w+", table))


def test_trained_models(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RUN stands for what the command before has printed."""
    import numpy as np

    write_flats(reader / "flats.csv", rows=80)
    write_flats(reader / "new_flats.csv", rows=4)
    np.save(reader / "rows.npy", np.zeros((2, 20)))
    commands = read_commands("trained_models.md")
    assert [words[0] for words in commands] == ["data", "run", "predict", "run", "predict"]
    run = ""
    for words in commands:
        capsys.readouterr()
        assert main([run if word == "RUN" else word for word in words]) == 0, words
        out, err = capsys.readouterr()
        if words[0] == "run":
            told = re.findall(r"^`mtlbench predict (\w{16}) FILE` uses the model of hard, seed 0", err, re.MULTILINE)
            run = told[0]
    assert out.splitlines()[0] == "row,task00,task01"
    assert len(out.splitlines()) == 3
    assert (reader / "predictions.csv").read_text().startswith("row,rent,district,district probability\n0,")
    assert len(dict(find_models(reader / "runs"))) == 3
