"""`mtlbench data import`: what is found in a table, what is refused in one sentence, and what is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli.main import main
from bench.planning.plan import parse_suite
from tests.suites._own.small_csv import ROWS, TARGETS, Importer, make_rows, write_csv

pytest.importorskip("polars")


def test_types_are_found_and_the_set_is_a_suite(importer: Importer, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", make_rows())
    code, shown = importer.run(path, "--targets", TARGETS, "--dry-run")
    assert code == 0
    assert "nothing was written" in shown
    assert not (tmp_path / "data").exists()
    answer = importer.answer(path, "--targets", TARGETS)
    found = {column["name"]: (column["role"], column["kind"]) for column in answer["columns"]}
    assert found == {
        "a": ("feature", "number"),
        "colour": ("feature", "category"),
        "day": ("feature", "date"),
        "score": ("target", "real"),
        "kind": ("target", "class"),
        "passed": ("target", "binary"),
        "grade": ("target", "ordinal"),
        "visits": ("target", "count"),
    }
    assert answer["splits"] == {"train": 36, "val": 12, "test": 12}
    _, suite = parse_suite("mine", tmp_path / "data")
    kinds = ["explained", "classification", "ranking", "ordinal", "counts"]
    assert list(suite.protocol.metrics.values()) == kinds
    rows = suite.dataset("train", 0)
    assert rows.inputs["score"].shape == (36, 2 + 4)  # number, date; three colours and the others
    assert suite.protocol.overlapping
    card = (tmp_path / "data" / "own" / "mine" / "README.md").read_text()
    assert "| grade | grade | ordinal | 1, 2, 3, 4, 5 | 60 |" in card


def test_every_kind_trains(importer: Importer, tmp_path: Path) -> None:
    columns = make_rows()
    for name in TARGETS.split(","):
        columns[name][::7] = [None] * len(columns[name][::7])
    importer.answer(write_csv(tmp_path / "t.csv", columns), "--targets", TARGETS)
    words = ["--store", str(tmp_path / "store"), "--data-dir", str(tmp_path / "data"), "--set", "epochs=2"]
    assert main(["run", "mine", "hard", "soft+l2", "--seeds", "0", *words]) == 0


@pytest.mark.parametrize(
    ("change", "words", "sentence"),
    [
        ({}, ("--targets", "scor"), "there is no `scor`, the nearest: `score`"),
        ({}, (), "`--targets` should name what is predicted"),
        ({}, ("--targets", "score", "--drop", "colr"), "`--drop` should name columns of the table; there is no `colr`"),
        (
            {},
            ("--targets", "score", "--features", "a,score"),
            "`score` should be a target or in `--features`. Found both",
        ),
        ({"c": [3] * ROWS}, ("--targets", "c"), "The target `c` should vary. Found `3` in every row"),
        (
            {"c": ["u"] + ["v", "w"] * 29 + ["v"]},
            ("--targets", "c"),
            "3 rows or more, one for each split. Found 1 of `u`",
        ),
        ({"c": [None] * ROWS}, ("--targets", "c"), "The target `c` should have labels. Found none in 60 rows"),
        ({"c": ["03/04/2021"] * ROWS}, ("--targets", "score"), "Found dates as text, as `03/04/2021`"),
        ({"c": ["1.5"] * 59 + ["n/k"]}, ("--targets", "score"), "Found 59 numbers and 1 text, as `n/k`"),
        ({"c": ["1.5"] * 59 + ["inf"]}, ("--targets", "score"), "`c` should hold finite numbers"),
        ({"c": ["1.5"] * 59 + ["-inf"]}, ("--targets", "score"), "mark it as missing with `--missing=-inf`"),
        ({"c": ["1.5"] * 59 + ["1e300"]}, ("--targets", "score"), "`c` should hold numbers up to 1e+30"),
        ({"c": ["1.5"] * 59 + ["n/k"]}, ("--targets", "c"), '`--types "c=class"`'),
        ({"c": ["12%", "3.5 %"] * 30}, ("--targets", "score"), "Found numbers as text, as `12%`"),
        (
            {"c": ['"1,234"', '"12,345,678"'] * 30},
            ("--targets", "score"),
            "as `1,234`; write them without signs and commas",
        ),
        ({"c": ["$1.50", "-$20"] * 30}, ("--targets", "c"), "as `$1.50`; write them without signs and commas"),
        ({}, ("--targets", "score", "--group", "kind", "--time", "day"), "by `--group` or by `--time`. Found both"),
        (
            {},
            ("--targets", "score", "--group", "kind", "--task-column", "kind"),
            "`kind` should be in `--task-column` or in `--group`. Found both",
        ),
        ({"c": ["u"] * ROWS}, ("--targets", "score", "--group", "c"), "Found only 1 group, of 60 rows"),
        ({}, ("--targets", "score", "--split", "nan/nan/nan"), "`--split` should be three shares"),
        ({}, ("--targets", "score", "--types", "score=class5"), "`--types` should give `score`, a target, one of real"),
        (
            {},
            ("--targets", "kind", "--types", "kind=real"),
            "`kind` should hold numbers, since its type is to be `real`",
        ),
        ({}, ("--targets", "score", "--split", "0.5/0.5"), "`--split` should be three shares"),
        ({}, ("--targets", "score,kind", "--task-column", "colour"), "`--task-column` should come with one target"),
        ({"c": [1.5, 2.5, 4.0, *[None] * 57]}, ("--targets", "c"), "Every split should have labels of every target"),
        ({}, ("--targets", "score", "--separator", ";"), "Found a semicolon, and a comma between 8 names"),
        (
            {},
            ("--targets", "score", "--features", "kind", "--types", "kind=number"),
            "should hold numbers, since its type is to be `number`",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    importer: Importer, tmp_path: Path, change: dict[str, list[Any]], words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in importer.refuse(write_csv(tmp_path / "t.csv", make_rows(**change)), *words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "should hold a table. Found an empty file"),
        ("a,b\n", "should hold rows. Found names of columns only"),
        ("a\n1\n", "should have two columns or more. Found one, `a`"),
        ("a,b,a\n1,2,3\n", "Found `a` in columns 1 and 3; rename one"),
        ("1,2\n3,4\n", "should have the names of its columns. Found numbers, as `1`"),
        ("a,b\n1,2\n3,4,5\n", "should be a table with 2 columns in every line. Found 3 in line 3"),
        ("a,b,c\n\n", "should hold rows. Found names of columns only"),
        ("a,b\n\xe9,2\n", "should be text in UTF-8"),
    ],
)
def test_files_that_are_no_tables_are_refused(importer: Importer, tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("latin-1"))
    assert sentence in importer.refuse(path, "--targets", "b")
    assert "There is no file" in importer.refuse(tmp_path / "tt.csv", "--targets", "b")


def test_names_are_free_and_refused_where_taken(importer: Importer, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", make_rows())
    refusals = {
        "multidigits": "which is a suite of mtlbench",
        "run": "which is a command of mtlbench",
        "hard": "which is a sharing of mtlbench",
        "demo": "which is a table of mtlbench",
        "mlp": "which is a backbone of mtlbench",
        "counts": "which is a kind of metric of mtlbench",
        "all": "as `my_all`. Found `all`, which is a word of mtlbench",
        "methods": "which is a word of mtlbench",
        "a b": "letters, digits",
    }
    for name, sentence in refusals.items():
        assert main(["data", "import", str(path), "--name", name, "--targets", "score"]) == 2
        assert sentence in importer.capsys.readouterr().err
    importer.answer(path, "--targets", "score")
    code, said = importer.run(path, "--targets", "kind")
    assert (code, "`--replace`" in said) == (2, True)
    assert [task.name for task in parse_suite("mine", tmp_path / "data")[1].tasks] == ["score"]
    importer.answer(path, "--targets", "kind", "--replace")
    assert [task.name for task in parse_suite("mine", tmp_path / "data")[1].tasks] == ["kind"]


def test_titles_of_any_characters(importer: Importer, tmp_path: Path) -> None:
    columns = make_rows(
        **{"Größe (cm)": list(range(ROWS)), "Große (cm)": list(range(ROWS))[::-1], "数": [1.5, 2.5, 4] * 20}
    )
    answer = importer.answer(write_csv(tmp_path / "t.csv", columns), "--targets", 'Größe (cm),Große (cm),数,"a"')
    assert [(task["name"], task["title"]) for task in answer["tasks"]] == [
        ("Groe_cm", "Größe (cm)"),
        ("Groe_cm_2", "Große (cm)"),
        ("target", "数"),
        ("a", "a"),
    ]
    assert main(["check", "mine", "--data-dir", str(tmp_path / "data")]) == 0


@pytest.mark.parametrize(("separator", "said"), [(";", "a semicolon"), ("\t", "a tab"), ("|", "a bar")])
def test_another_separator_is_found_and_named(importer: Importer, tmp_path: Path, separator: str, said: str) -> None:
    columns = make_rows()
    columns["a"] = [str(value).replace(".", ",") for value in columns["a"]]
    answer = importer.answer(write_csv(tmp_path / "t.csv", columns, separator), "--targets", "score")
    assert answer["warnings"] == [f"Columns are separated by {said}.", "Numbers are written with a comma, in `a`."]
    assert answer["columns"][0]["kind"] == "number"


def test_missing_values_as_the_user_names_them(importer: Importer, tmp_path: Path) -> None:
    columns = make_rows(c=[-999.0, *range(1, ROWS)], d=["none", *map(str, range(1, ROWS))])
    path = write_csv(tmp_path / "t.csv", columns)
    answer = importer.answer(path, "--targets", "score", '--missing=-999.0,none,""')
    missing = {column["name"]: column["missing"] for column in answer["columns"]}
    assert (missing["c"], missing["d"], missing["a"]) == (1, 1, 0)
    first = parse_suite("mine", tmp_path / "data")[1].dataset("train", 0).inputs["score"]
    assert np.isfinite(first.numpy()).all()


def test_leaks_useless_columns_and_rows_without_labels_are_noted(importer: Importer, tmp_path: Path) -> None:
    columns = make_rows(number=list(range(ROWS)), name=[f"n{k}" for k in range(ROWS)], same=[1] * ROWS)
    columns["cube"] = [-(value**3) for value in columns["score"]]
    columns["copy"] = [f"is {value}" for value in columns["kind"]]
    columns["score"][0] = columns["kind"][0] = None
    said = importer.answer(write_csv(tmp_path / "t.csv", columns), "--targets", "score,kind")["warnings"]
    assert [line.split(";")[0].split(":")[0] for line in said] == [
        "`number` numbers the rows",
        "`name` has 60 different texts in 60 rows",
        "`same` never changes",
        "1 row without a label of any target is left out.",
        "The feature `cube` is a monotone copy of the target `score`",
        "The feature `copy` is a copy of the target `kind`",
    ]


def test_groups_stay_together_and_times_are_in_order(importer: Importer, tmp_path: Path) -> None:
    columns = make_rows(school=[f"s{k % 12}" for k in range(ROWS)])
    columns["a"] = [k % 12 for k in range(ROWS)]  # the school as a number, to be found again in the inputs
    path = write_csv(tmp_path / "t.csv", columns)
    importer.answer(path, "--targets", "score", "--group", "school", "--types", "a=number")
    data = parse_suite("mine", tmp_path / "data")[1]
    seen = [set(data.dataset(split, 0).inputs["score"][:, 0].tolist()) for split in ("train", "val", "test")]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 12
    assert not data.protocol.overlapping
    columns["a"] = [int(np.datetime64(day).astype(int)) for day in columns["day"]]
    path = write_csv(tmp_path / "t.csv", columns)
    importer.answer(path, "--targets", "score", "--time", "day", "--replace")
    data = parse_suite("mine", tmp_path / "data")[1]
    train, val, test = (data.dataset(split, 0).inputs["score"][:, 0] for split in ("train", "val", "test"))
    assert train.max() < val.min() <= val.max() < test.min()


def test_long_numbers_stay_apart_as_groups_and_tasks(importer: Importer, tmp_path: Path) -> None:
    """Of numbers beyond 2^53 several are one in float64."""
    path = write_csv(tmp_path / "t.csv", make_rows(school=[10**18 + k // 20 for k in range(ROWS)]))
    answer = importer.answer(path, "--targets", "score", "--task-column", "school")
    assert [task["title"] for task in answer["tasks"]] == [f"school = {10**18 + k}" for k in range(3)]
    answer = importer.answer(path, "--targets", "score", "--group", "school", "--replace")
    assert answer["splits"] == {"train": 20, "val": 20, "test": 20}


def test_the_next_command_names_the_folder_that_was_given(importer: Importer, tmp_path: Path) -> None:
    code, said = importer.run(write_csv(tmp_path / "t.csv", make_rows()), "--targets", "score,kind")
    assert code == 0
    assert f"next: mtlbench run mine single_task hard --data-dir {tmp_path / 'data'}\n" in said


def test_a_text_in_utf_16_is_told_from_latin_1(importer: Importer, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,2\n".encode("utf-16"))
    assert "as with `iconv -f utf-16 -t utf-8`" in importer.refuse(path, "--targets", "b")
    (tmp_path / "t.npz").write_bytes(b"PK\3\4 cut off")
    assert "should hold arrays of numbers or texts" in importer.refuse(tmp_path / "t.npz", "--targets", "b")


def test_a_task_for_each_value_with_rows_of_its_own(importer: Importer, tmp_path: Path) -> None:
    columns = make_rows(school=[1] * 30 + [2] * 25 + [3] * 5)
    answer = importer.answer(write_csv(tmp_path / "t.csv", columns), "--targets", "score", "--task-column", "school")
    assert [task["name"] for task in answer["tasks"]] == ["school_1", "school_2"]
    assert "`school` has 1 task of 3 with fewer than 10 rows; it is left out." in answer["warnings"]
    _, suite = parse_suite("mine", tmp_path / "data")
    assert suite.own_inputs
    rows = suite.dataset("train", 0)
    assert {task: len(inputs) for task, inputs in rows.inputs.items()} == {"school_1": 18, "school_2": 15}
    assert main(["check", "mine", "--data-dir", str(tmp_path / "data")]) == 0
