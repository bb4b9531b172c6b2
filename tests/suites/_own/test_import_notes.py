"""What is said of a table beside its columns: missing values, lines of other lengths, a seed without effect."""

from pathlib import Path

import pytest

from tests.suites._own.small_csv import ROWS, Importer, make_rows, write_csv

pytest.importorskip("polars")


def test_texts_for_missing_values_are_named_one_after_another(importer: Importer, tmp_path: Path) -> None:
    """What a sentence asks to name is missing beside the usual texts, so that none of them is asked for next."""
    path = write_csv(tmp_path / "t.csv", make_rows(c=["bad", "NA", "inf", *range(3, ROWS)]))
    assert '`--missing "bad"`' in importer.refuse(path, "--targets", "score")
    assert "`--missing=inf`" in importer.refuse(path, "--targets", "score", "--missing", "bad")
    answer = importer.answer(path, "--targets", "score", "--missing", "bad,inf")
    assert {column["name"]: column["missing"] for column in answer["columns"]}["c"] == 3


def test_lines_with_too_few_or_too_many_fields_are_refused_and_empty_ones_left_out(
    importer: Importer, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "t.csv", make_rows())
    lines = path.read_text().splitlines()
    wanted = "`t.csv` should be a table with 8 columns in every line. Found"
    path.write_text("\n".join([*lines[:5], lines[5].rpartition(",")[0], *lines[6:]]) + "\n")
    assert f"{wanted} 7 in line 6; write the separators of empty fields, too.\n" in importer.refuse(
        path, "--targets", "score"
    )
    path.write_text("\n".join([*lines[:9], lines[9] + ",1", *lines[10:]]) + "\n")
    assert f"{wanted} 9 in line 10.\n" in importer.refuse(path, "--targets", "score")
    # Empty lines are no rows, also with spaces in them, also at the end.
    path.write_text("\n".join([*lines[:5], "", *lines[5:7], "   ", *lines[7:], "", ""]) + "\n")
    answer = importer.answer(path, "--targets", "score")
    assert (answer["rows"], answer["warnings"]) == (ROWS, [])
    assert all(column["missing"] == 0 for column in answer["columns"])


def test_whole_numbers_that_lose_digits_are_noted(importer: Importer, tmp_path: Path) -> None:
    """float64 has every whole number up to 2^53, and every second one from there on."""
    long, top = 123456789012345678, 2**53
    columns = make_rows(
        a=[long + k for k in range(ROWS)],
        score=[long + 10**12 * k for k in range(ROWS)],
        exact=[top - 3 * k for k in range(ROWS)],
        texts=["bad", *(long + 2 * k for k in range(1, ROWS))],
        huge=[2**63 - 1 - k for k in range(ROWS)],
    )
    path = write_csv(tmp_path / "t.csv", columns)
    warnings = importer.answer(path, "--targets", "score", "--missing", "bad", "--dry-run")["warnings"]
    named = {warning.split("`")[1]: warning for warning in warnings if "digits" in warning}
    assert sorted(named) == ["a", "huge", "score", "texts"]
    assert named["score"] == (
        "`score` has whole numbers of more than 15 digits, whose last digits are lost; subtract one of them from all, "
        'or take them as names with `--types "score=class"`.'
    )
    assert '`--types "a=category"`' in named["a"]


def test_class_and_category_are_one_word(importer: Importer, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", make_rows())
    asked = ["--targets", "grade", "--dry-run", "--types"]
    for types in ("visits=class,grade=category", "visits=category,grade=class"):
        columns = {column["name"]: column["kind"] for column in importer.answer(path, *asked, types)["columns"]}
        assert (columns["visits"], columns["grade"]) == ("category", "class")


def test_a_seed_of_the_division_that_decides_nothing_is_noted(importer: Importer, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", make_rows(school=[f"s{k % 12}" for k in range(ROWS)]))
    asked = ["--targets", "score", "--dry-run", "--split-seed", "3"]
    note = "`--split-seed` has no effect: rows are divided 60/20/20 %"
    assert importer.answer(path, *asked)["warnings"] == [f"{note} at random, anew for each seed."]
    assert importer.answer(path, *asked, "--time", "day")["warnings"] == [f"{note}, by `day`."]
    assert importer.answer(path, *asked, "--group", "school")["warnings"] == []
