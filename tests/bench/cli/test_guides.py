"""The commands of the guides, run as a reader would type them, in an empty folder."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import main
from leaderboard.store.models import find_models
from tests.bench.prediction.test_own_tables import write_flats
from tests.pages import list_commands, read_page


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody who reads a page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MTLBENCH_STORE", raising=False)
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    return tmp_path


def test_your_metric(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = list_commands(read_page("docs/your_metric.md"))
    assert [words[0] for words in commands] == ["new", "check", "run", "table"]
    for words in commands:
        capsys.readouterr()
        assert main(words) == 0, words
    table = capsys.readouterr().out
    assert "mae" in table.lower()
    assert {"single_task", "hard"} <= set(re.findall(r"\w+", table))


def test_get_started_on_own_data(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the section but `ask`, which takes minutes and is tested elsewhere."""
    pytest.importorskip("polars")
    draw = np.random.default_rng(0)
    rows = ["age,hours,math,reading"]
    rows += [f"{draw.integers(9, 18)},{a:.2f},{3 * a + b:.2f},{'' if n % 9 == 0 else f'{2 * a - b:.2f}'}"
             for n, (a, b) in enumerate(draw.standard_normal((90, 2)))]  # fmt: skip
    (reader / "scores.csv").write_text("\n".join(rows) + "\n")
    (reader / "new_scores.csv").write_text("hours,age\n1.5,12\n0.5,13\n")
    (reader / "photos").mkdir()
    for n in range(30):
        Image.fromarray(draw.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(reader / "photos" / f"{n}.png")
    tones = [f"{n}.png,{('dark', 'light')[n % 2]},{n / 30}" for n in range(30)]
    (reader / "labels.csv").write_text("\n".join(["file,tone,red", *tones]) + "\n")
    section = read_page("docs/get_started.md").partition("\n## Your data\n")[2].partition("\n## ")[0]
    commands = list_commands(section)
    assert [words[0] for words in commands] == ["data", "ask", "data", "ask", "run", "table", "predict"]
    run = ""
    for words in commands:
        if words[0] == "ask":
            continue
        capsys.readouterr()
        assert main([run if word == "RUN" else word for word in words]) == 0, words
        out, err = capsys.readouterr()
        if words[0] == "run":
            [run] = re.findall(r"^`mtlbench predict (\w{16}) FILE` uses the model of hard, seed 0", err, re.MULTILINE)
    assert [line.count(",") for line in out.splitlines()] == [2, 2, 2]
    assert out.startswith("row,math,reading\n0,")


def test_trained_models(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RUN stands for what the command before has printed."""
    write_flats(reader / "flats.csv", rows=80)
    write_flats(reader / "new_flats.csv", rows=4)
    np.save(reader / "rows.npy", np.zeros((2, 20)))
    commands = list_commands(read_page("docs/trained_models.md"))
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
