import csv
import io
import json
import re
import subprocess
import sys

import pytest

from bench.records.record import Failure
from leaderboard.boards.board import board_of_suite
from leaderboard.report.formats import format_table, write_interval, write_mean, write_notes
from leaderboard.report.table import tabulate
from leaderboard.store import Problem, StoreContents

COLUMNS = "table,suite,method,task,metric,higher_is_better,mean,ci_low,ci_high,seeds,selection,status"


@pytest.fixture
def table(three_methods, make_record):
    records = [*three_methods, make_record("soft+l2", 0, failed=True)]
    problem = Problem("toy/bad.json", ["digest: does not match the content"])
    return tabulate(board_of_suite("toy", records), StoreContents(records, [problem]))


def test_csv_is_long_form_in_board_order(table):
    text = format_table(table, "csv")
    assert text.splitlines()[0] == COLUMNS
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 4 * (2 + 3)
    assert [line["metric"] for line in lines[:5]] == ["accuracy", "accuracy", "delta_flat", "delta_task", "delta_log"]
    assert [line["task"] for line in lines[:5]] == ["left", "right", "*", "*", "*"]
    hard = next(line for line in lines if line["method"] == "hard" and line["task"] == "left")
    assert (float(hard["mean"]), hard["seeds"], hard["status"]) == (pytest.approx(94.0), "5", "complete")
    assert (hard["higher_is_better"], hard["selection"], hard["table"]) == ("true", "val", "toy")
    missing = [line for line in lines if line["method"] == "soft+l2"]
    assert {(line["mean"], line["ci_low"], line["seeds"], line["status"]) for line in missing} == {
        ("", "", "0", "missing")
    }
    assert {line["status"] for line in lines if line["method"] == "cross_stitch"} == {"incomplete (3/5)"}


def test_json_holds_the_same_rows(table):
    content = json.loads(format_table(table, "json"))
    lines = list(csv.DictReader(io.StringIO(format_table(table, "csv"))))
    assert [row["mean"] for row in content["rows"]] == [float(line["mean"]) if line["mean"] else None for line in lines]
    assert list(content["rows"][0]) == COLUMNS.split(",")
    assert content["reference"] == "single_task"


def test_wide_formats_show_the_same_numbers(table):
    cells = ["94.00", "[93.66, 94.34]", "+20.0", "[+19.6, +20.4]", "-4.0", "worse", "better", "missing", "5/5"]
    texts = [format_table(table, "text", width=width) for width in (60, 200)]
    for text in (*texts, format_table(table, "md"), format_table(table, "tex")):
        for cell in cells:
            assert cell in text
        assert "incomplete (3/5)" in text or re.search(r"incomplete.*\n.*\(3/5\)", text)
        assert "toy/bad.json: digest: does not match the content" in " ".join(text.split())
        assert "Diverged" in text


def test_markdown_has_one_line_per_method(table):
    lines = [line for line in format_table(table, "md").splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 4
    assert {line.count("|") for line in lines} == {11}
    assert (
        lines[0]
        == "| method | left accuracy % ↑ | right accuracy % ↑ | Δ flat % ↑ | Δ task % ↑ | error change % ↓ | rank "
        r"| vs single\_task | vs best | seeds |"
    )
    assert lines[2].startswith(r"| single\_task | 95.00 [94.66, 95.34] |")


def test_tex_is_booktabs_and_escaped(table):
    text = format_table(table, "tex")
    body = text[text.index(r"\begin{tabular}") :]
    assert [rule in body for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}")] == [True] * 4
    assert r"single\_task" in body
    assert r"accuracy \% $\uparrow$" in body
    assert r"$\Delta$ flat" in body
    assert not re.search(r"(?<!\\)[_%]", body)
    assert body.isascii()
    assert {line.count("&") for line in body.splitlines() if line.endswith(r"\\")} == {9}


@pytest.mark.parametrize("width", [10, 30, 60, 80, 120, 200])
def test_text_never_cuts_a_number(table, width):
    text = format_table(table, "text", width=width)
    assert "…" not in text
    for line in table.lines:
        for column, row in zip(table.columns, line.cells, strict=True):
            assert write_mean(column, row) in text
            assert write_interval(column, row) in text
    if width >= 80:
        assert max(map(len, text.splitlines())) <= width


def test_complete_methods_come_first_and_the_reference_has_no_interval_of_zero(table):
    assert [line.method for line in table.lines] == ["single_task", "hard", "cross_stitch", "soft+l2"]
    first = zip(table.columns, table.lines[0].cells, strict=True)
    assert [(write_mean(column, row), write_interval(column, row)) for column, row in first][2:] == [
        ("0.00", ""),
        ("0.00", ""),
        ("0.0", ""),
    ]


def test_notes_name_few_seeds_and_disagreement(make_record, table):
    assert any("† Fewer than 5 seeds" in note and "`cross_stitch` 3" in note for note in write_notes(table))
    assert not any("disagree" in note for note in write_notes(table))


def test_many_tasks_are_shown_as_their_mean_and_the_worst(make_record):
    kinds = {f"t{index:02d}": "regression" for index in range(12)}
    records = [
        make_record(method, seed, {task: 0.5 + 0.01 * index + factor for index, task in enumerate(kinds)}, kinds)
        for method, factor in (("single_task", 0.0), ("hard", 0.1))
        for seed in range(2)
    ]
    table = tabulate(board_of_suite("toy", records), StoreContents(records))
    assert len(table.rows) == 2 * (12 + 3)
    text = format_table(table, "text")
    assert [part for part in ("mean of tasks", "worst task", "0.6550", "(t11)", "rmse ↓") if part not in text] == []
    assert "t03" not in text
    assert "t03" in format_table(table, "csv")


def test_each_selection_rule_has_its_own_numbers(make_record):
    records = [make_record(seed=0, last={"left": 94.5, "right": 80.0})]
    found = {}
    for rule in ("val", "per_task", "last"):
        table = tabulate(board_of_suite("toy", records), StoreContents(records), rule)
        assert {row.selection for row in table.rows} == {rule}
        assert any(f"Selection `{rule}`" in note for note in write_notes(table))
        found[rule] = [row.mean for row in table.rows[:2]]
    assert found == {"val": [95.0, 90.0], "per_task": [95.0, 90.0], "last": [94.5, 80.0]}


def test_an_unknown_selection_or_format_is_one_sentence(table):
    with pytest.raises(ValueError, match=r"`selection` should be one of val, per_task, last\. Found `test`\."):
        tabulate(table.board, StoreContents(), "test")
    with pytest.raises(ValueError, match=r"`format` should be one of text, md, tex, csv, json\. Found `xml`\."):
        format_table(table, "xml")


def test_a_board_without_results_is_all_missing(table):
    empty = tabulate(table.board, StoreContents())
    for format in ("text", "md", "tex", "csv", "json"):
        assert format_table(empty, format)
    assert format_table(empty, "text").count("missing") == 4
    assert {row.status for row in empty.rows} == {"missing"}


def test_control_characters_do_not_reach_the_terminal(make_record):
    record = make_record("hard\x1b[31m|evil\n")
    table = tabulate(board_of_suite("toy", [record]), StoreContents([record]))
    for format in ("text", "md", "tex"):
        assert "\x1b" not in format_table(table, format)
        assert "evil\n" not in format_table(table, format)
    assert r"\|evil" in format_table(table, "md")


def test_what_a_record_says_of_its_failure_is_one_line_of_bounded_length(make_record):
    failure = Failure(type="E" * 9000, message="first\nsecond\x1b[2J" * 9000, where="x")
    failed = make_record("soft+l2", 0, failed=True).model_copy(update={"error": failure})
    records = [make_record(), make_record("hard\n: stands alone"), failed]
    table = tabulate(board_of_suite("toy", records), StoreContents(records))
    [note] = [note for note in write_notes(table) if note.startswith("Failed run, not counted: `soft+l2`, seed 0: EEE")]
    assert len(note) < 600
    assert write_notes(table) == json.loads(format_table(table, "json"))["notes"]
    assert all(note.isprintable() for note in write_notes(table))
    assert any("hard\\n" in note for note in write_notes(table))


def test_a_table_loads_neither_torch_nor_what_it_does_not_need():
    code = (
        "import sys; import leaderboard, leaderboard.report.table, leaderboard.report.formats, leaderboard.site;"
        "print([name for name in ('torch', 'lightning', 'scipy', 'jinja2', 'rich', 'plotly') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_ranked_says_so(make_record):
    record = make_record()
    loose = record.spec.model_copy(update={"protocol": record.spec.protocol.model_copy(update={"ranked": False})})
    trial = record.model_copy(update={"spec": loose, "run_id": loose.run_id}).seal()
    board = board_of_suite("toy", [record])
    assert not any("Not ranked" in note for note in write_notes(tabulate(board, StoreContents([record]))))
    assert any("Not ranked" in note for note in write_notes(tabulate(board, StoreContents([trial]))))
