"""The commands of docs/real_tables.md, on random tables with the columns of the real ones, which are not here."""

from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.planning.plan import parse_suite
from suites._own.table_suite import TableSuite, make_features
from tests.pages import list_commands, read_page

pytest.importorskip("polars")
COMMANDS = list_commands(read_page("docs/real_tables.md"))
ROWS = 180
SCORES = ("written", "course")


def write_like(path: Path) -> None:
    """A random table with the columns, the codes and the gaps of the real one of this name."""
    draw = np.random.default_rng(0)

    def number() -> np.ndarray:
        """A column of numbers, of two digits."""
        return draw.normal(50, 10, ROWS).round(2).astype(str)

    def code(count: int) -> np.ndarray:
        """A column of whole numbers from 1 on, each about as often."""
        return (np.arange(ROWS) % count + 1).astype(str)

    numbers = {
        "linnerud": "Chins Situps Jumps Weight Waist Pulse",
        "diabetes": "age sex bmi bp s1 s2 s3 s4 s5 s6 target",
        "jura": "Xloc Yloc Cd Co Cr Cu Ni Pb Zn",
        "Exam": "normexam standLRT",
        "Gcsemv": "written course",
        "MASchools": "expreg expspecial scratio special lunch stratio income score4 score8 salary english",
    }[path.stem]
    columns = {name: number() for name in numbers.split()}
    match path.stem:
        case "jura":
            columns |= {"Landuse": code(4), "Rock": code(5)}
        case "Exam":
            columns |= {"school": code(15), "sex": code(2), "student": np.arange(ROWS).astype(str)}
        case "Gcsemv":
            columns |= {"school": code(12), "student": np.arange(ROWS).astype(str), "gender": code(2)}
            columns["written"][::9] = columns["course"][4::9] = ""
        case "MASchools":
            columns |= {"district": np.arange(ROWS).astype(str)}
            columns |= {"municipality": np.array([f"town {row}" for row in range(ROWS)])}
            columns["score8"][::5] = columns["salary"][::8] = ""
    lines = [",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_every_table_has_an_import_and_a_question() -> None:
    imports, questions = COMMANDS[::2], COMMANDS[1::2]
    assert [words[:2] for words in imports] == [["data", "import"]] * 6
    assert [words[0] for words in questions] == ["ask"] * 6
    assert [words[words.index("--name") + 1] for words in imports] == [words[1] for words in questions]


@pytest.mark.parametrize("at", range(6))
def test_the_commands_of_a_table_run(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    found, question = COMMANDS[2 * at], COMMANDS[2 * at + 1]
    write_like(tmp_path / found[2])
    assert main(found) == 0, found
    capsys.readouterr()
    suite = parse_suite(question[1], tmp_path / "data")[1]
    assert isinstance(suite, TableSuite)
    targets = found[found.index("--targets") + 1].split(",")
    if "--task-column" in found:
        assert len(suite.tasks) == 15
    else:
        assert [task.name for task in suite.tasks] == targets
    features = {feature.name for feature in make_features(suite.description)}
    assert len(features) > 1
    assert not features & {*targets, "student", "district", "municipality", "Co", "Cr", "Cu", "Pb"}
    gaps = {name: int(suite.dataset("train", 0).targets[name].isnan().sum()) for name in SCORES if name in targets}
    assert not gaps or min(gaps.values()) > 0
    assert main([*question, "--dry-run", "--store", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out.lstrip()[0].isdigit()
